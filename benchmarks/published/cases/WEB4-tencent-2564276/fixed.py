import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]


def to_tensor(img):
    return torch.from_numpy(img.transpose(2, 0, 1).copy()).float() / 255


class Normalize:
    def __init__(self, mean, std):
        self.mean = torch.tensor(mean).view(3, 1, 1)
        self.std = torch.tensor(std).view(3, 1, 1)

    def __call__(self, x):
        return (x - self.mean) / self.std


def random_flip(img):
    return img[:, ::-1] if np.random.random() < 0.5 else img


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x):
        for t in self.transforms:
            x = t(x)
        return x


class Shapes(Dataset):
    """disc, square, cross, ring and bars on coloured noise"""

    def __init__(self, n, seed, transform):
        rng = np.random.default_rng(seed)
        self.transform = transform
        self.labels = rng.integers(0, 5, n)
        yy, xx = np.mgrid[0:20, 0:20]
        self.images = []
        for c in self.labels:
            cx, cy, r = rng.uniform(8, 12), rng.uniform(8, 12), rng.uniform(4, 6)
            d = np.hypot(xx - cx, yy - cy)
            box = np.maximum(abs(xx - cx), abs(yy - cy))
            mask = [d < r, box < r * 0.85, (box < r) & ((abs(xx - cx) < 1.5) | (abs(yy - cy) < 1.5)),
                    (d < r) & (d > r - 2), (box < r) & (yy % 4 < 2)][c]
            img = rng.uniform(40, 140, 3) + rng.normal(0, 20, (20, 20, 3))
            img[mask] += rng.uniform(50, 100)
            self.images.append(np.clip(img, 0, 255).astype(np.uint8))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.transform(self.images[i]), int(self.labels[i])


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU(),
                                  nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        return torch.relu(x + self.body(x))


train_tfms = Compose([random_flip, to_tensor, Normalize(MEAN, STD)])
val_tfms = Compose([to_tensor, Normalize(MEAN, STD)])

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
train_loader = DataLoader(Shapes(800, seed, train_tfms), batch_size=64, shuffle=True)
val_loader = DataLoader(Shapes(300, seed + 99, val_tfms), batch_size=100)
model = nn.Sequential(
    nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Residual(16),
    nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), Residual(32),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(12):
    model.train()
    loss_sum, correct = 0.0, 0
    for imgs, labels in train_loader:
        logits = model(imgs)
        loss = criterion(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(labels)
        correct += (logits.argmax(1) == labels).sum().item()
    model.eval()
    with torch.no_grad():
        val_acc = sum((model(x).argmax(1) == y).sum().item() for x, y in val_loader) / len(val_loader.dataset)
    print(f"epoch {epoch} loss {loss_sum / 800:.4f} train acc {correct / 800:.3f} val acc {val_acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": val_acc}))
