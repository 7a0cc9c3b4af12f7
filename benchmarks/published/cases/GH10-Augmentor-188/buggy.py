import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

SIZE = 32


def make_cell_image(rng):
    yy, xx = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    mask = np.zeros((SIZE, SIZE), np.float32)
    img = 0.3 + rng.normal(0, 0.08, (SIZE, SIZE))
    for _ in range(rng.integers(3, 7)):
        cx, cy = rng.uniform(2, SIZE - 2, 2)
        a, b, t = rng.uniform(2, 4), rng.uniform(1.5, 3), rng.uniform(0, np.pi)
        u = (xx - cx) * np.cos(t) + (yy - cy) * np.sin(t)
        v = -(xx - cx) * np.sin(t) + (yy - cy) * np.cos(t)
        cell = (u / a) ** 2 + (v / b) ** 2 < 1
        mask[cell] = 1
        img[cell] += rng.uniform(0.15, 0.35)
    return img.astype(np.float32)[None], mask[None]


class RandomDistortion:
    """Elastic distortion on a coarse grid of random displacements."""

    def __init__(self, probability, grid_width, grid_height, magnitude):
        self.probability = probability
        self.grid = (grid_height, grid_width)
        self.magnitude = magnitude

    def perform_operation(self, images):
        return [self.warp(image, self.displacement()) for image in images]

    def displacement(self):
        coarse = (torch.rand(1, 2, *self.grid) * 2 - 1) * self.magnitude
        return F.interpolate(coarse, size=(SIZE, SIZE), mode='bicubic', align_corners=True)

    def warp(self, image, flow):
        base = torch.linspace(-1, 1, SIZE)
        gy, gx = torch.meshgrid(base, base, indexing='ij')
        grid = torch.stack([gx, gy], dim=-1)[None] + flow.permute(0, 2, 3, 1) * 2 / SIZE
        return F.grid_sample(image[None], grid, padding_mode='reflection', align_corners=True)[0]


class Pipeline:
    def __init__(self):
        self.operations = []

    def add_operation(self, operation):
        self.operations.append(operation)

    def __call__(self, images):
        for operation in self.operations:
            if random.random() < operation.probability:
                images = operation.perform_operation(images)
        return images


class CellDataset(Dataset):
    def __init__(self, n, rng, pipeline=None):
        self.items = [make_cell_image(rng) for _ in range(n)]
        self.pipeline = pipeline

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        image, mask = [torch.from_numpy(a) for a in self.items[i]]
        if self.pipeline is not None:
            image, mask = self.pipeline([image, mask])
            mask = (mask > 0.5).float()
        return image, mask


def conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class UNet(nn.Module):
    def __init__(self, c=6):
        super().__init__()
        self.d1, self.d2 = conv(1, c), conv(c, 2 * c)
        self.mid = conv(2 * c, 4 * c)
        self.u2, self.u1 = conv(6 * c, 2 * c), conv(3 * c, c)
        self.out = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        m = self.mid(F.max_pool2d(b, 2))
        x = self.u2(torch.cat([F.interpolate(m, scale_factor=2), b], 1))
        x = self.u1(torch.cat([F.interpolate(x, scale_factor=2), a], 1))
        return self.out(x)


def main():
    rng = np.random.default_rng(seed)
    p = Pipeline()
    p.add_operation(RandomDistortion(probability=1, grid_width=5, grid_height=5, magnitude=4))
    train_loader = DataLoader(CellDataset(200, rng, p), batch_size=10, shuffle=True)
    test_loader = DataLoader(CellDataset(100, rng), batch_size=50)
    model = UNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)
    for epoch in range(8):
        model.train()
        total = 0.0
        for image, mask in train_loader:
            loss = F.binary_cross_entropy_with_logits(model(image), mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        scheduler.step()
        print(f'epoch {epoch + 1} loss {total / len(train_loader):.4f}')

    model.eval()
    inter = union = 0.0
    with torch.no_grad():
        for image, mask in test_loader:
            pred = model(image) > 0
            inter += (pred & (mask > 0.5)).sum().item()
            union += (pred | (mask > 0.5)).sum().item()
    print('RESULT ' + json.dumps({'iou': inter / union}))


if __name__ == '__main__':
    main()
