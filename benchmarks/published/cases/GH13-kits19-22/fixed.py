import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

SLICES, SIZE = 8, 32


def make_case(rng):
    """A CT volume in Hounsfield units and its kidney mask."""
    yy, xx = np.mgrid[:SIZE, :SIZE]
    body = ((yy - 16) / 14.) ** 2 + ((xx - 16) / 15.) ** 2 < 1
    vol = np.full((SLICES, SIZE, SIZE), -1000.0)
    seg = np.zeros((SLICES, SIZE, SIZE), dtype=np.int64)
    vol[:, body] = 45
    level = rng.uniform(120, 190)
    for side in (9, 23):
        cy, cx = 17 + rng.uniform(-3, 3), side + rng.uniform(-2, 2)
        a, b = rng.uniform(4, 6), rng.uniform(2.5, 4)
        for z in range(SLICES):
            f = np.sqrt(max(0.05, 1 - ((z - SLICES / 2 + 0.5) / (SLICES * 0.7)) ** 2))
            m = ((yy - cy) / (a * f)) ** 2 + ((xx - cx) / (b * f)) ** 2 < 1
            vol[z, m] = level
            seg[z, m] = 1
    sy, sx = rng.uniform(24, 27), rng.uniform(14, 18)
    spine = ((yy - sy) / 2.5) ** 2 + ((xx - sx) / 2.5) ** 2 < 1
    vol[:, spine] = 320
    seg[:, spine] = 0
    vol += rng.randn(*vol.shape) * 30
    return vol.astype(np.float32), seg


def normalize(volume):
    """clips and z-score standardizes one volume"""
    volume = np.clip(volume, -80, 305)
    return (volume - volume.mean()) / (volume.std() + 1e-8)


class SliceDataset(Dataset):
    def __init__(self, cases):
        self.items = []
        for vol, seg in cases:
            vol = normalize(vol)
            self.items += [(vol[z], seg[z]) for z in range(len(vol))]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        x, y = self.items[i]
        return torch.from_numpy(x).unsqueeze(0), torch.from_numpy(y)


class UNet2D(nn.Module):
    def __init__(self, n=8):
        super().__init__()
        def block(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.LeakyReLU(0.01, inplace=True))
        self.d1 = block(1, n)
        self.d2 = block(n, 2 * n)
        self.d3 = block(2 * n, 2 * n)
        self.u2 = block(4 * n, n)
        self.u1 = block(2 * n, n)
        self.out = nn.Conv2d(n, 2, 1)

    def forward(self, x):
        x1 = self.d1(x)
        x2 = self.d2(F.max_pool2d(x1, 2))
        x3 = self.d3(F.max_pool2d(x2, 2))
        y = self.u2(torch.cat([F.interpolate(x3, scale_factor=2), x2], 1))
        y = self.u1(torch.cat([F.interpolate(y, scale_factor=2), x1], 1))
        return self.out(y)


class Predictor:
    def __init__(self, model, test_cases):
        self.model = model
        self.test_cases = test_cases

    def run_3D_predictions(self):
        self.model.eval()
        scores = []
        for i, (volume, seg) in enumerate(self.test_cases):
            x = torch.from_numpy(normalize(volume)).float().unsqueeze(1)
            with torch.no_grad():
                pred = self.model(x).softmax(1).argmax(1).numpy()
            dice = 2 * (pred * seg).sum() / (pred.sum() + seg.sum() + 1e-8)
            scores.append(dice)
        return float(np.mean(scores))


rng = np.random.RandomState(70 + seed)
train_loader = DataLoader(SliceDataset([make_case(rng) for _ in range(120)]), batch_size=16, shuffle=True)
val_loader = DataLoader(SliceDataset([make_case(rng) for _ in range(20)]), batch_size=32)
test_cases = [make_case(rng) for _ in range(20)]

model = UNet2D()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
n_epochs = 5
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)
for epoch in range(n_epochs):
    model.train()
    total = 0.
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = np.mean([F.cross_entropy(model(x), y).item() for x, y in val_loader])
    print(f'epoch {epoch + 1}/{n_epochs} loss {total / len(train_loader):.4f} val_loss {val:.4f}')

print('predicting %d test cases' % len(test_cases))
score = Predictor(model, test_cases).run_3D_predictions()
print('RESULT ' + json.dumps({"metric": "mean kidney Dice of the predictions", "value": round(score, 4)}))
