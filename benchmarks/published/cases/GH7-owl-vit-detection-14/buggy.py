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


def cxcywh_to_xyxy(b):
    c, s = b[..., :2], b[..., 2:]
    return torch.cat([c - s / 2, c + s / 2], -1)


def generalized_box_iou(a, b):
    """a, b: (N, 4) as x0, y0, x1, y1"""
    area = lambda t: (t[:, 2] - t[:, 0]) * (t[:, 3] - t[:, 1])
    wh = (torch.min(a[:, 2:], b[:, 2:]) - torch.max(a[:, :2], b[:, :2])).clamp(min=0)
    inter = wh[:, 0] * wh[:, 1]
    union = area(a) + area(b) - inter
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).clamp(min=0)
    hull = hull[:, 0] * hull[:, 1]
    return inter / (union + 1e-6) - (hull - union) / (hull + 1e-6), inter / (union + 1e-6)


class BoxLoss(nn.Module):
    def __init__(self, w_l1=1.0, w_giou=2.0):
        super().__init__()
        self.w_l1, self.w_giou = w_l1, w_giou

    def forward(self, pred, target):
        l1 = F.l1_loss(pred, target)
        giou, _ = generalized_box_iou(pred, target)
        return self.w_l1 * l1 + self.w_giou * (1 - giou).mean()


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.box_head = nn.Sequential(nn.Linear(24 * 36, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, x):
        return self.box_head(self.backbone(x)).sigmoid()


def scenes(n, rng):
    img = rng.normal(0, 0.25, (n, 1, 24, 24)).astype("float32")
    box = np.zeros((n, 4), dtype="float32")
    for i in range(n):
        w, h = rng.integers(5, 15, 2)
        x, y = rng.integers(0, 24 - w), rng.integers(0, 24 - h)
        img[i, 0, y:y + h, x:x + w] += rng.uniform(0.6, 1.2)
        box[i] = (x + w / 2) / 24, (y + h / 2) / 24, w / 24, h / 24
    return TensorDataset(torch.from_numpy(img), torch.from_numpy(box))


rng = np.random.default_rng(seed)
train_loader = DataLoader(scenes(1600, rng), batch_size=32, shuffle=True)
val_loader = DataLoader(scenes(300, rng), batch_size=100)
model, criterion = Detector(), BoxLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for epoch in range(12):
    model.train()
    running = 0.0
    for images, boxes in train_loader:
        loss = criterion(model(images), boxes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()
    model.eval()
    with torch.no_grad():
        iou = torch.cat([generalized_box_iou(cxcywh_to_xyxy(model(i)), cxcywh_to_xyxy(b))[1] for i, b in val_loader]).mean().item()
    print(f"epoch {epoch} train loss {running / len(train_loader):.4f} val IoU {iou:.4f}")

print("RESULT", json.dumps({"metric": "iou", "value": iou}))
