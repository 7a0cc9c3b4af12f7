import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

S, CLASSES = 24, 5


def picture(c):
    yy, xx = np.mgrid[:S, :S]
    cx, cy = np.random.uniform(7, 17, 2)
    dx, dy, r = np.abs(xx - cx), np.abs(yy - cy), np.random.uniform(4, 6)
    if c == 0:
        m = ((dx < 1.2) & (dy < r)) | ((dy < 1.2) & (dx < r))
    elif c == 1:
        m = (np.maximum(dx, dy) < r) & (np.maximum(dx, dy) > r - 2)
    elif c == 2:
        m = dx ** 2 + dy ** 2 < r * r * 0.7
    elif c == 3:
        m = (np.abs(dx - dy) < 1.2) & (dx < r)
    else:
        m = (dx < r) & ((dy < 1) | (np.abs(dy - 4) < 1))
    img = np.random.uniform(0, 0.3) + 0.8 * m * np.random.choice([-1, 1]) + 0.3 * np.random.randn(S, S)
    return img


class Pictures(Dataset):
    def __init__(self, n, train=False):
        self.y = torch.arange(n) % CLASSES
        self.x = torch.tensor(np.array([picture(int(c)) for c in self.y]), dtype=torch.float32).unsqueeze(1)
        self.train = train

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        img = self.x[i]
        if self.train:
            dy, dx = torch.randint(-6, 7, (2,)).tolist()
            img = torch.roll(img, (dy, dx), dims=(1, 2))
            if torch.rand(1).item() < 0.5:
                img = img.flip(2)
            if torch.rand(1).item() < 0.5:
                img = img.flip(1)
        return img, self.y[i]


train_loader = DataLoader(Pictures(150, train=True), batch_size=15, shuffle=True)
val_loader = DataLoader(Pictures(500), batch_size=250)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 6 * 6, 128), nn.ReLU(),
    nn.Dropout(0.3),
    nn.Linear(128, CLASSES),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()


def evaluate(loader):
    model.eval()
    loss = correct = n = 0
    with torch.no_grad():
        for xb, yb in loader:
            out = model(xb)
            loss += criterion(out, yb).item() * len(xb)
            correct += (out.argmax(1) == yb).sum().item()
            n += len(xb)
    return loss / n, correct / n


for epoch in range(120):
    model.train()
    tl = tc = n = 0
    for xb, yb in train_loader:
        optimizer.zero_grad()
        out = model(xb)
        loss = criterion(out, yb)
        loss.backward()
        optimizer.step()
        tl += loss.item() * len(xb)
        tc += (out.argmax(1) == yb).sum().item()
        n += len(xb)
    if (epoch + 1) % 10 == 0:
        vl, va = evaluate(val_loader)
        print(f"Epoch {epoch + 1}: loss {tl / n:.4f} accuracy {tc / n:.3f} val_loss {vl:.4f} val_accuracy {va:.3f}")

print("RESULT", json.dumps({"metric": "val_loss", "value": evaluate(val_loader)[0]}))
