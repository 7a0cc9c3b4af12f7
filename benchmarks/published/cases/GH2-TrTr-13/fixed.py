import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

SIZE = 20


class Blobs(Dataset):
    """Find the centre of the bright blob (x, y in 0..1)."""

    def __init__(self, n, rng, augment):
        self.augment = augment
        self.xy = rng.uniform(0.15, 0.85, (n, 2)).astype(np.float32)
        grid = (np.arange(SIZE) + 0.5) / SIZE
        gx = np.exp(-((grid[None] - self.xy[:, :1]) / 0.1) ** 2)
        gy = np.exp(-((grid[None] - self.xy[:, 1:]) / 0.1) ** 2)
        self.img = (gy[:, :, None] * gx[:, None, :] + 0.15 * rng.normal(size=(n, SIZE, SIZE))).astype(np.float32)

    def __len__(self):
        return len(self.xy)

    def _flip_aug(self, image, point):
        image = image[:, ::-1].copy()
        point = point.copy()
        point[0] = 1 - point[0]
        return image, point

    def __getitem__(self, i):
        image, point = self.img[i], self.xy[i]
        if self.augment and random.random() < 0.5:
            image, point = self._flip_aug(image, point)
        return torch.from_numpy(image)[None], torch.from_numpy(point)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
train_loader = DataLoader(Blobs(800, rng, True), batch_size=32, shuffle=True)
val_loader = DataLoader(Blobs(200, rng, False), batch_size=200)
model = nn.Sequential(
    nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(),
    nn.Linear(16 * 36, 64), nn.ReLU(), nn.Linear(64, 2))
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    for image, point in train_loader:
        loss = nn.functional.mse_loss(model(image), point)
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        for image, point in val_loader:
            error = (model(image) - point).abs().mean().item()
    print(f"epoch {epoch}: train loss {loss.item():.5f}, val error {error:.4f}")
print("RESULT", json.dumps({"metric": "mean absolute error", "value": error}))
