import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
S = 24


def slices(n):
    yy, xx = np.mgrid[0:S, 0:S]
    imgs, masks = [], []
    for _ in range(n):
        img = np.random.normal(0, 0.35, (S, S))
        cy, cx = np.random.uniform(6, S - 6, 2)
        ry, rx = np.random.uniform(3, 6, 2)
        inside = ((yy - cy) / ry) ** 2 + ((xx - cx) / rx) ** 2 < 1
        img[inside] += 0.8
        img[:, np.random.randint(S)] += 0.8
        imgs.append(img[None])
        masks.append(inside[None])
    return torch.tensor(np.array(imgs), dtype=torch.float32), torch.tensor(np.array(masks), dtype=torch.float32)


class Unet(nn.Module):
    def __init__(self, ch=8):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, ch, 3, padding=1), nn.BatchNorm2d(ch), nn.ReLU())
        self.mid = nn.Sequential(nn.Conv2d(ch, 2 * ch, 3, padding=1), nn.BatchNorm2d(2 * ch), nn.ReLU(), nn.Conv2d(2 * ch, ch, 3, padding=1), nn.BatchNorm2d(ch), nn.ReLU())
        self.up = nn.Sequential(nn.Conv2d(2 * ch, ch, 3, padding=1), nn.BatchNorm2d(ch), nn.ReLU(), nn.Conv2d(ch, 1, 1))

    def forward(self, x):
        d = self.down(x)
        m = F.interpolate(self.mid(F.max_pool2d(d, 2)), scale_factor=2, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.up(torch.cat([d, m], 1)))


def dice_loss(pred, target, smooth=1.0):
    pred, target = pred.flatten(1), target.flatten(1)
    return 1 - ((2 * (pred * target).sum(1) + smooth) / (pred.sum(1) + target.sum(1) + smooth)).mean()


def evaluate(model, loader):
    model.eval()
    scores = []
    with torch.no_grad():
        for x, y in loader:
            p = (model(x) > 0.5).float()
            scores.append((2 * (p * y).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + y.sum((1, 2, 3)) + 1))
    return torch.cat(scores).mean().item()


def cmd_train(context):
    train_loader = DataLoader(TensorDataset(*slices(320)), batch_size=16, shuffle=True)
    val_loader = DataLoader(TensorDataset(*slices(120)), batch_size=40)
    model = Unet()
    optimizer = torch.optim.Adam(model.parameters(), lr=context["initial_lr"])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=context["gamma"])
    for epoch in range(1, context["num_epochs"] + 1):
        model.train()
        total = 0.0
        for x, y in train_loader:
            loss = dice_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item()
        print(f"Epoch {epoch} training loss: {total / len(train_loader):.4f}")
    return evaluate(model, val_loader)


dice = cmd_train({"initial_lr": 2e-3, "gamma": 0.8, "num_epochs": 9})
print("RESULT", json.dumps({"metric": "dice", "value": dice}))
