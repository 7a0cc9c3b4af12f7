import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)
SIZE = 24
JOINTS = ["head", "left_wrist", "right_wrist", "left_ankle", "right_ankle"]
MIRROR = [0, 2, 1, 4, 3]


def person(rng):
    cx, cy = rng.uniform(9, 15), rng.uniform(9, 13)
    kp = np.array([
        [cx + rng.normal(0, 0.5), cy - 6],
        [cx + rng.uniform(3, 7), cy + rng.uniform(-4, 3)],
        [cx - rng.uniform(3, 7), cy + rng.uniform(-4, 3)],
        [cx + rng.uniform(1, 4), cy + rng.uniform(6, 9)],
        [cx - rng.uniform(1, 4), cy + rng.uniform(6, 9)],
    ])
    img = np.zeros((SIZE, SIZE))
    yy, xx = np.mgrid[0:SIZE, 0:SIZE]
    for j, (x, y) in enumerate(kp):
        for t in np.linspace(0, 1, 8):
            px, py = cx + t * (x - cx), cy + t * (y - cy)
            img = np.maximum(img, 0.6 * np.exp(-((xx - px) ** 2 + (yy - py) ** 2) / 0.8))
        img = np.maximum(img, np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 1.5))
    return img + rng.normal(0, 0.05, img.shape), kp / SIZE


class PoseDataset(Dataset):
    def __init__(self, n, rng, augment=False):
        items = [person(rng) for _ in range(n)]
        self.images = np.stack([i for i, _ in items]).astype("float32")
        self.keypoints = np.stack([k for _, k in items]).astype("float32")
        self.augment = augment

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        img, kp = self.images[i], self.keypoints[i].copy()
        if self.augment and random.random() < 0.5:
            img = img[:, ::-1].copy()
            kp[:, 0] = (SIZE - 1) / SIZE - kp[:, 0]
            kp = kp[MIRROR]
        return torch.from_numpy(img[None]), torch.from_numpy(kp)


class PoseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * 36, 96), nn.ReLU(), nn.Linear(96, 2 * len(JOINTS)))

    def forward(self, x):
        return self.head(self.features(x)).view(-1, len(JOINTS), 2)


rng = np.random.default_rng(seed)
train_loader = DataLoader(PoseDataset(1200, rng, augment=True), batch_size=32, shuffle=True)
val_loader = DataLoader(PoseDataset(300, rng), batch_size=100)
net = PoseNet()
optim = torch.optim.Adam(net.parameters(), lr=1e-3)
loss_fn = nn.MSELoss()
for epoch in range(12):
    net.train()
    losses = []
    for img, kp in train_loader:
        optim.zero_grad()
        loss = loss_fn(net(img), kp)
        loss.backward()
        optim.step()
        losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        err = torch.cat([(net(i) - k).norm(dim=-1) for i, k in val_loader]).mean().item() * SIZE
    print(f"epoch {epoch} loss {np.mean(losses):.5f} val error {err:.3f} px")

print("RESULT", json.dumps({"metric": "keypoint_error", "value": err}))
