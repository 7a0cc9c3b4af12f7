"""YOLO from scratch on small pictures: a 6x6 grid, one box per cell, shapes on a noisy ground."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

S, C, SIZE = 6, 3, 48
LEARNING_RATE, BATCH_SIZE, EPOCHS, WEIGHT_DECAY = 1e-3, 32, 9, 0
CLASSES = ["disc", "square", "cross"]


def picture():
    img = rng.normal(0.2, 0.08, (SIZE, SIZE)).astype("float32")
    boxes = []
    yy, xx = np.mgrid[:SIZE, :SIZE] + 0.5
    for _ in range(rng.integers(1, 4)):
        for _ in range(20):
            r = rng.uniform(4, 8)
            x, y = rng.uniform(r, SIZE - r, 2)
            if all(abs(x - b[1]) + abs(y - b[2]) > r + b[3] + 3 for b in boxes):
                break
        else:
            continue
        c = int(rng.integers(C))
        dx, dy = np.abs(xx - x), np.abs(yy - y)
        if c == 0:
            mask = dx ** 2 + dy ** 2 < r ** 2
        elif c == 1:
            mask = np.maximum(dx, dy) < r
        else:
            mask = (np.maximum(dx, dy) < r) & (np.minimum(dx, dy) < r / 3)
        img[mask] += rng.uniform(0.4, 0.8)
        boxes.append((c, x, y, r))
    label = np.zeros((S, S, C + 5), dtype="float32")
    for c, x, y, r in boxes:
        i, j = int(y / SIZE * S), int(x / SIZE * S)
        if label[i, j, C] == 0:
            label[i, j, C] = 1
            label[i, j, C + 1:] = [x / SIZE * S - j, y / SIZE * S - i, 2 * r / SIZE * S, 2 * r / SIZE * S]
            label[i, j, c] = 1
    return img[None], label


class CNNBlock(nn.Module):
    def __init__(self, in_channels, out_channels, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.batchnorm = nn.BatchNorm2d(out_channels)
        self.leakyrelu = nn.LeakyReLU(0.1)

    def forward(self, x):
        return self.leakyrelu(self.batchnorm(self.conv(x)))


class Yolo(nn.Module):
    def __init__(self):
        super().__init__()
        self.darknet = nn.Sequential(
            CNNBlock(1, 16, kernel_size=3, stride=2, padding=1), CNNBlock(16, 32, kernel_size=3, stride=2, padding=1),
            CNNBlock(32, 64, kernel_size=3, padding=1), nn.MaxPool2d(2, 2), CNNBlock(64, 64, kernel_size=3, padding=1))
        self.head = nn.Conv2d(64, C + 5, 1)

    def forward(self, x):
        return self.head(self.darknet(x)).permute(0, 2, 3, 1)


class YoloLoss(nn.Module):
    """Squared errors, as in the first paper: roots of the widths, weight 5 for places and 0.5 for empty cells."""

    def __init__(self):
        super().__init__()
        self.mse = nn.MSELoss(reduction="sum")
        self.lambda_noobj, self.lambda_coord = 0.5, 5

    def forward(self, predictions, target):
        exists = target[..., C:C + 1]
        wh = predictions[..., C + 3:C + 5]
        box_pred = torch.cat([predictions[..., C + 1:C + 3], torch.sign(wh) * torch.sqrt(torch.abs(wh + 1e-6))], -1)
        box_target = torch.cat([target[..., C + 1:C + 3], torch.sqrt(target[..., C + 3:C + 5])], -1)
        box_loss = self.mse(exists * box_pred, exists * box_target)
        object_loss = self.mse(exists * predictions[..., C:C + 1], exists * target[..., C:C + 1])
        no_object_loss = self.mse((1 - exists) * predictions[..., C:C + 1], (1 - exists) * target[..., C:C + 1])
        class_loss = self.mse(exists * predictions[..., :C], exists * target[..., :C])
        return (self.lambda_coord * box_loss + object_loss + self.lambda_noobj * no_object_loss + class_loss) / len(target)


def to_boxes(cells):
    """-> per picture a list of (class, score, x1, y1, x2, y2), in cells."""
    out = []
    for grid in cells.numpy():
        boxes = []
        for i in range(S):
            for j in range(S):
                score, x, y, w, h = grid[i, j, C:]
                if score > 0.2:
                    x, y, w, h = x + j, y + i, abs(w), abs(h)
                    boxes.append((int(grid[i, j, :C].argmax()), float(score), x - w / 2, y - h / 2, x + w / 2, y + h / 2))
        out.append(boxes)
    return out


def iou(a, b):
    w = min(a[4], b[4]) - max(a[2], b[2])
    h = min(a[5], b[5]) - max(a[3], b[3])
    inter = max(w, 0) * max(h, 0)
    return inter / ((a[4] - a[2]) * (a[5] - a[3]) + (b[4] - b[2]) * (b[5] - b[3]) - inter + 1e-6)


def nms(boxes, threshold=0.5):
    keep = []
    for b in sorted(boxes, key=lambda b: -b[1]):
        if all(k[0] != b[0] or iou(k, b) < threshold for k in keep):
            keep.append(b)
    return keep


def mean_average_precision(preds, trues, threshold=0.5):
    aps = []
    for c in range(C):
        found = sorted([(b, n) for n, boxes in enumerate(preds) for b in boxes if b[0] == c], key=lambda p: -p[0][1])
        total = sum(b[0] == c for boxes in trues for b in boxes)
        used, hits = set(), []
        for b, n in found:
            best = max(((iou(b, t), m) for m, t in enumerate(trues[n]) if t[0] == c), default=(0, -1))
            hit = best[0] > threshold and (n, best[1]) not in used
            if hit:
                used.add((n, best[1]))
            hits.append(hit)
        tp = np.cumsum(hits)
        recall = np.concatenate([[0], tp / total])
        precision = np.concatenate([[1], tp / np.arange(1, len(tp) + 1)])
        aps.append(np.trapezoid(precision, recall))
    return float(np.mean(aps))


images, labels = (torch.from_numpy(np.stack(z)) for z in zip(*[picture() for _ in range(1800)]))
train_loader = DataLoader(TensorDataset(images[:1500], labels[:1500]), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
test_images, test_labels = images[1500:], labels[1500:]
model = Yolo()
optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
loss_fn = YoloLoss()
for epoch in range(EPOCHS):
    model.train()
    mean_loss = []
    for x, y in train_loader:
        loss = loss_fn(model(x), y)
        mean_loss.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(test_images)
    test_map = mean_average_precision([nms(b) for b in to_boxes(out)], to_boxes(test_labels))
    print(f"epoch {epoch:2d}  mean loss was {np.mean(mean_loss):.4f}  test loss {loss_fn(out, test_labels).item():.4f}  test mAP {test_map:.4f}")
print("RESULT", json.dumps({"metric": "mAP at 0.5", "value": round(test_map, 4), "good": test_map >= 0.75}))
