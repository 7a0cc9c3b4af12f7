import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
SIZE = 20


class CourtDataset(Dataset):
    def __init__(self, n):
        self.items = []
        yy, xx = np.mgrid[0:SIZE, 0:SIZE]
        for _ in range(n):
            img = np.random.normal(0, 0.15, (SIZE, SIZE))
            r, c = np.random.randint(3, SIZE - 3, 2)
            img[r, :] += 0.7
            img[:, c] += 0.7
            heat = np.exp(-((yy - r) ** 2 + (xx - c) ** 2) / 4.0)
            self.items.append((img[None].astype("float32"), heat[None].astype("float32"), np.array([r, c])))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class ConvBlock(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(o))


class BallTrackerNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(ConvBlock(1, 12), ConvBlock(12, 12), ConvBlock(12, 12), nn.Conv2d(12, 1, 3, padding=1))

    def forward(self, x):
        return self.body(x)


def train(model, train_loader, optimizer, criterion, epoch):
    model.train()
    losses = []
    for imgs, heat, _ in train_loader:
        out = model(imgs)
        loss = criterion(torch.sigmoid(out), heat)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print("train | epoch = {}, loss = {:.5f}".format(epoch, np.mean(losses)))


def val(model, loader):
    model.eval()
    errors = []
    with torch.no_grad():
        for imgs, _, kps in loader:
            flat = model(imgs).flatten(1).argmax(1)
            pred = torch.stack([flat // SIZE, flat % SIZE], 1)
            errors.append((pred - kps).float().norm(dim=1))
    return torch.cat(errors).mean().item()


train_loader = DataLoader(CourtDataset(500), batch_size=16, shuffle=True)
val_loader = DataLoader(CourtDataset(200), batch_size=50)
model = BallTrackerNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
criterion = nn.MSELoss()
for epoch in range(7):
    train(model, train_loader, optimizer, criterion, epoch)
error = val(model, val_loader)
print("RESULT", json.dumps({"metric": "keypoint error px", "value": error}))
