import argparse
import json
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

SIZE = 32
N_POINTS = 5


def draw_line(img, p, q, value=1.0):
    for t in np.linspace(0, 1, 60):
        x, y = p + t * (q - p)
        img[int(round(y)) % SIZE, int(round(x)) % SIZE] = value


def cross(a, b):
    return a[0] * b[1] - a[1] * b[0]


class CourtDataset(Dataset):
    """Perspective views of a court. Targets are gaussian heatmaps of the four corners and the centre."""

    def __init__(self, n, rng):
        self.items = [self.make(rng) for _ in range(n)]

    def make(self, rng):
        jit = lambda s: rng.uniform(-s, s)
        tl = np.array([10 + jit(3), 7 + jit(3)])
        tr = np.array([21 + jit(3), tl[1] + jit(1)])
        bl = np.array([5 + jit(3), 25 + jit(3)])
        br = np.array([26 + jit(3), bl[1] + jit(1)])
        img = rng.uniform(0.2, 0.5) + rng.normal(0, 0.05, (SIZE, SIZE))
        for p, q in [(tl, tr), (tr, br), (br, bl), (bl, tl)]:
            draw_line(img, p, q)
        d1, d2 = br - tl, bl - tr
        t = cross(tr - tl, d2) / cross(d1, d2)
        centre = tl + t * d1
        draw_line(img, (tl + bl) / 2, (tr + br) / 2, 0.9)
        pts = np.stack([tl, tr, bl, br, centre])
        yy, xx = np.mgrid[0:SIZE, 0:SIZE]
        hm = np.stack([np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * 1.5 ** 2)) for x, y in pts])
        return (torch.from_numpy(img[None]).float(), torch.from_numpy(hm).float(), torch.from_numpy(pts).float())

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class ConvBlock(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(o))

    def forward(self, x):
        return self.block(x)


class BallTrackerNet(nn.Module):
    def __init__(self, out_channels):
        super().__init__()
        self.conv1 = ConvBlock(1, 8)
        self.conv2 = ConvBlock(8, 16)
        self.conv3 = ConvBlock(16, 32)
        self.conv4 = ConvBlock(32, 16)
        self.conv5 = ConvBlock(16, 16)
        self.out = nn.Conv2d(16, out_channels, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 2)
        x = F.max_pool2d(self.conv2(x), 2)
        x = self.conv3(x)
        x = self.conv4(F.interpolate(x, scale_factor=2))
        x = self.conv5(F.interpolate(x, scale_factor=2))
        return self.out(x)


def train(model, train_loader, optimizer, criterion, epoch):
    model.train()
    losses = []
    for img, hm, _ in train_loader:
        out = model(img)
        loss = criterion(torch.sigmoid(out), hm)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print('train, epoch = {}, loss = {:.5f}'.format(epoch, np.mean(losses)))


@torch.no_grad()
def val(model, val_loader, max_dist=2.0):
    model.eval()
    hit, total = 0, 0
    for img, _, pts in val_loader:
        hm = torch.sigmoid(model(img)).flatten(2)
        idx = hm.argmax(-1)
        pred = torch.stack([idx % SIZE, idx // SIZE], dim=-1).float()
        hit += ((pred - pts).norm(dim=-1) < max_dist).sum().item()
        total += pts.size(0) * pts.size(1)
    return hit / total


if __name__ == '__main__':


    parser = argparse.ArgumentParser()
    parser.add_argument('seed', type=int, nargs='?', default=0)
    parser.add_argument('--batch_size', type=int, default=16)
    parser.add_argument('--num_epochs', type=int, default=6)
    parser.add_argument('--lr', type=float, default=2e-3)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    rng = np.random.default_rng(args.seed)
    train_loader = DataLoader(CourtDataset(300, rng), batch_size=args.batch_size, shuffle=True)
    val_loader = DataLoader(CourtDataset(150, rng), batch_size=50)

    model = BallTrackerNet(out_channels=N_POINTS)
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr, betas=(0.9, 0.999), weight_decay=0)
    for epoch in range(args.num_epochs):
        train(model, train_loader, optimizer, criterion, epoch)
    print('RESULT ' + json.dumps({'keypoint_accuracy': val(model, val_loader)}))
