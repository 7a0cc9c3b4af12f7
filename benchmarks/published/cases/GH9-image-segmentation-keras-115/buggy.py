import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)
SIZE = 24


def blob_scene():
    img = 0.3 * rng.rand(SIZE, SIZE)
    seg = np.zeros((SIZE, SIZE), dtype=np.int64)
    yy, xx = np.mgrid[:SIZE, :SIZE]
    for cls, level in ((1, 0.6), (2, 1.0)):
        r = rng.randint(3, 6)
        cy, cx = rng.randint(r, SIZE - r, 2)
        inside = (yy - cy) ** 2 + (xx - cx) ** 2 <= r * r
        img[inside] = level + 0.15 * rng.randn(inside.sum())
        seg[inside] = cls
    return img.astype(np.float32), seg


class SegData(Dataset):
    def __init__(self, n, do_augment):
        self.items = [blob_scene() for _ in range(n)]
        self.do_augment = do_augment

    def __len__(self):
        return len(self.items)

    @staticmethod
    def _augment(arr):
        if rng.rand() < 0.5:
            arr = arr[:, ::-1]
        if rng.rand() < 0.5:
            arr = arr[::-1, :]
        return np.rot90(arr, rng.randint(4))

    def augment_seg(self, img, seg):
        aug_img = self._augment(img)
        aug_seg = self._augment(seg)
        return aug_img.copy(), aug_seg.copy()

    def __getitem__(self, i):
        img, seg = self.items[i]
        if self.do_augment:
            img, seg = self.augment_seg(img, seg)
        return torch.from_numpy(img).unsqueeze(0), torch.from_numpy(seg)


class MiniUnet(nn.Module):
    def __init__(self, n_classes=3):
        super().__init__()
        self.e1 = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        self.e2 = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU())
        self.up = nn.ConvTranspose2d(24, 12, 2, stride=2)
        self.out = nn.Sequential(nn.Conv2d(24, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, n_classes, 1))

    def forward(self, x):
        a = self.e1(x)
        b = self.up(self.e2(a))
        return self.out(torch.cat([a, b], 1))


def mean_iou(model, data):
    model.eval()
    inter, union = np.zeros(3), np.zeros(3)
    with torch.no_grad():
        for img, seg in DataLoader(data, batch_size=50):
            pred = model(img).argmax(1)
            for c in range(3):
                inter[c] += ((pred == c) & (seg == c)).sum().item()
                union[c] += ((pred == c) | (seg == c)).sum().item()
    return float((inter / np.maximum(union, 1)).mean())


train_set, val_set = SegData(300, True), SegData(100, False)
loader = DataLoader(train_set, batch_size=16, shuffle=True)
model = MiniUnet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(14):
    model.train()
    total = 0.0
    for img, seg in loader:
        optimizer.zero_grad()
        loss = criterion(model(img), seg)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(img)
    iou = mean_iou(model, val_set)
    print(f"epoch {epoch} loss {total / len(train_set):.4f} val mean IoU {iou:.3f}")
print("RESULT", json.dumps({"metric": "mean_iou", "value": iou}))
