import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

W = H = 24


class PointDataset(Dataset):
    def __init__(self, n, seed, flip_image_prob=0.0):
        rng = np.random.default_rng(seed)
        self.flip_image_prob = flip_image_prob
        yy, xx = np.mgrid[0:H, 0:W]
        self.images, self.points = [], []
        for _ in range(n):
            cx, cy = rng.uniform(3, W - 4), rng.uniform(3, H - 4)
            img = np.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / 6.0) + 0.15 * rng.standard_normal((H, W))
            self.images.append(img.astype(np.float32))
            self.points.append((cx, cy))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        img = self.images[index]
        cx, cy = self.points[index]
        if np.random.random() < self.flip_image_prob:
            np.fliplr(img)
            cx = W - 1 - cx
        target = torch.tensor([cx / (W - 1), cy / (H - 1)], dtype=torch.float32)
        return torch.from_numpy(img).unsqueeze(0), target


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    np.random.seed(seed)
    train_loader = DataLoader(PointDataset(800, seed, flip_image_prob=0.5), batch_size=32, shuffle=True)
    val_loader = DataLoader(PointDataset(200, seed + 1000), batch_size=100)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 36, 64), nn.ReLU(), nn.Linear(64, 2),
    )
    criterion = nn.SmoothL1Loss()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    for epoch in range(20):
        net.train()
        running = 0.0
        for img, target in train_loader:
            loss = criterion(net(img), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item()
        net.eval()
        err = []
        with torch.no_grad():
            for img, target in val_loader:
                err.append((net(img) - target).abs())
        err = torch.cat(err).mean(0) * (W - 1)
        if epoch % 2 == 1:
            print(f"epoch {epoch + 1} loss {running / len(train_loader):.5f} val error x {err[0]:.3f} y {err[1]:.3f}")
    print("RESULT", json.dumps({"metric": "x_mae_pixels", "value": err[0].item()}))


main()
