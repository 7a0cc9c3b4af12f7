"""Landmark localisation: a small CNN regresses the centres of a blob and a ring in 32x32 images."""
import json
import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
SIZE = 32


class LandmarkImages(Dataset):
    """Every picture holds one soft blob, one ring, a bright distractor line and noise."""

    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        ys, xs = torch.meshgrid(torch.arange(SIZE).float(), torch.arange(SIZE).float(), indexing="ij")
        centres = 5 + (SIZE - 10) * torch.rand(n, 2, 2, generator=g)
        d = torch.sqrt((xs - centres[:, :, 0, None, None]) ** 2 + (ys - centres[:, :, 1, None, None]) ** 2)
        blob = torch.exp(-(d[:, 0] ** 2) / (2 * 1.6 ** 2))
        ring = torch.exp(-((d[:, 1] - 3.5) ** 2) / (2 * 0.7 ** 2))
        angle = 3.1416 * torch.rand(n, 1, 1, generator=g)
        offset = SIZE * (torch.rand(n, 1, 1, generator=g) - 0.5) * 0.6
        line = torch.exp(-(((xs - SIZE / 2) * angle.cos() + (ys - SIZE / 2) * angle.sin() - offset) ** 2) / 0.8)
        img = torch.maximum(blob, ring) + 0.35 * line + 0.08 * torch.randn(n, SIZE, SIZE, generator=g)
        self.images = ((img - 0.15) / 0.28).unsqueeze(1)
        self.targets = (centres.flatten(1) / (SIZE - 1)) * 2 - 1       # in [-1, 1]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i], self.targets[i]


def block(cin, cout, stride):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False),
                         nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


class KeypointNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block(1, 12, 1), block(12, 24, 2), block(24, 32, 2), block(32, 32, 1))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * 8 * 8, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, x):
        return self.head(self.features(x))


def pixel_error(model, loader):
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            diff = (model(x) - y).view(-1, 2, 2) * (SIZE - 1) / 2
            total += diff.norm(dim=-1).sum().item()
            count += 2 * len(x)
    return total / count


def main():
    torch.manual_seed(SEED)
    train = LandmarkImages(4000, 1000 + SEED)
    val = LandmarkImages(800, 2000 + SEED)
    train_loader = DataLoader(train, batch_size=64, shuffle=True)
    val_loader = DataLoader(val, batch_size=200)
    model = KeypointNet()
    epochs = 9
    criterion = nn.SmoothL1Loss(beta=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(train_loader))
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running += loss.item() * len(x)
        print(f"epoch {epoch + 1:2d}  loss {running / len(train):.5f}  val error {pixel_error(model, val_loader):.3f} px")
    err = pixel_error(model, val_loader)
    mean_guess = ((val.targets - train.targets.mean(0)).view(-1, 2, 2) * (SIZE - 1) / 2).norm(dim=-1).mean().item()
    print(f"guessing the mean position errs by {mean_guess:.2f} px")
    print("RESULT", json.dumps({"val_px_error": round(err, 3), "good": err < 0.9}))


if __name__ == "__main__":
    main()
