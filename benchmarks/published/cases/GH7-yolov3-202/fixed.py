import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

hyp = {"xy": 2.0, "wh": 1.0, "lr0": 1e-3, "epochs": 12, "batch_size": 32, "anchor": (10.0, 10.0), "img_size": 32, "grid": 4}


class LoadImagesAndLabels(Dataset):
    def __init__(self, n, rng):
        s = hyp["img_size"]
        self.imgs = rng.normal(0, 0.2, (n, 1, s, s)).astype("float32")
        self.labels = np.zeros((n, 4), dtype="float32")
        for i in range(n):
            w, h = rng.uniform(5, 18, 2)
            cx, cy = rng.uniform(w / 2, s - w / 2), rng.uniform(h / 2, s - h / 2)
            x0, x1, y0, y1 = int(cx - w / 2), int(cx + w / 2), int(cy - h / 2), int(cy + h / 2)
            self.imgs[i, 0, y0:y1, x0:x1] += 0.9
            self.labels[i] = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0

    def __len__(self):
        return len(self.imgs)

    def __getitem__(self, i):
        return torch.from_numpy(self.imgs[i]), torch.from_numpy(self.labels[i])


class Darknet(nn.Module):
    def __init__(self):
        super().__init__()
        def block(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.1), nn.MaxPool2d(2))
        self.backbone = nn.Sequential(block(1, 8), block(8, 16), block(16, 32))
        self.neck = nn.Sequential(nn.Flatten(), nn.Linear(32 * hyp["grid"] ** 2, 64), nn.LeakyReLU(0.1))
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        return self.head(self.neck(self.backbone(x)))


def build_targets(labels):
    txy = labels[:, :2] / hyp["img_size"]
    twh = torch.log(labels[:, 2:] / torch.tensor(hyp["anchor"]))
    return txy, twh


def compute_loss(p, labels):
    txy, twh = build_targets(labels)
    mse = nn.MSELoss()
    pxy, pwh = torch.sigmoid(p[:, :2]), p[:, 2:]
    lxy, lwh = hyp["xy"] * mse(pxy, txy), hyp["wh"] * mse(pwh, twh)
    return lxy + lwh, (lxy.item(), lwh.item())


def decode(p):
    return torch.cat([torch.sigmoid(p[:, :2]) * hyp["img_size"], torch.exp(p[:, 2:].clamp(max=4)) * torch.tensor(hyp["anchor"])], 1)


def bbox_iou(a, b):
    lo = torch.max(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    hi = torch.min(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    inter = (hi - lo).clamp(min=0).prod(1)
    return inter / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - inter)


@torch.no_grad()
def test(model, loader):
    model.eval()
    iou = torch.cat([bbox_iou(decode(model(x)), t) for x, t in loader])
    return iou.mean().item(), (iou > 0.6).float().mean().item()


rng = np.random.default_rng(seed)
train_loader = DataLoader(LoadImagesAndLabels(1500, rng), batch_size=hyp["batch_size"], shuffle=True)
val_loader = DataLoader(LoadImagesAndLabels(300, rng), batch_size=100)
model = Darknet()
optimizer = torch.optim.Adam(model.parameters(), lr=hyp["lr0"])
for epoch in range(hyp["epochs"]):
    model.train()
    parts = []
    for imgs, labels in train_loader:
        loss, items = compute_loss(model(imgs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        parts.append(items)
    iou, recall = test(model, val_loader)
    lxy, lwh = np.mean(parts, 0)
    print(f"{epoch + 1}/{hyp['epochs']}  xy {lxy:.4f}  wh {lwh:.4f}  IoU {iou:.4f}  R@0.6 {recall:.4f}")

print("RESULT", json.dumps({"metric": "iou", "value": iou}))
