import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)

cfg = dict(num_classes=2, ignore_index=255, size=32, samples_per_gpu=16, max_epochs=6,
           optimizer=dict(lr=0.02, momentum=0.9, weight_decay=1e-4))


class LesionDataset(Dataset):
    CLASSES = ("background", "target")

    def __init__(self, n, rng):
        self.img, self.ann = [], []
        yy, xx = np.mgrid[0:cfg["size"], 0:cfg["size"]]
        for _ in range(n):
            ann = np.zeros((cfg["size"], cfg["size"]), dtype=np.uint8)
            for _ in range(rng.integers(1, 4)):
                cx, cy, a, b = rng.uniform(5, 27), rng.uniform(5, 27), rng.uniform(3, 7), rng.uniform(3, 7)
                ann[((xx - cx) / a) ** 2 + ((yy - cy) / b) ** 2 < 1] = 255
            img = 1.0 * (ann > 0) + 0.3 * np.sin(xx / rng.uniform(3, 8) + rng.uniform(0, 6)) + rng.normal(0, 0.35, ann.shape)
            self.img.append(img.astype("float32")[None])
            self.ann.append(ann)

    def __len__(self):
        return len(self.img)

    def get_gt_map(self, i):
        return self.ann[i].astype("int64")

    def __getitem__(self, i):
        return torch.from_numpy(self.img[i]), torch.from_numpy(self.get_gt_map(i))


class EncoderDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        def block(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.enc1, self.enc2 = block(1, 12), block(12, 24)
        self.pool, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="nearest")
        self.dec = block(36, 12)
        self.conv_seg = nn.Conv2d(12, cfg["num_classes"], 1)

    def forward(self, x):
        a = self.enc1(x)
        b = self.up(self.enc2(self.pool(a)))
        return self.conv_seg(self.dec(torch.cat([a, b], 1)))


def evaluate(model, loader):
    model.eval()
    inter = union = right = total = 0
    with torch.no_grad():
        for img, gt in loader:
            pred, fg = model(img).argmax(1) > 0, gt > 0
            inter += (pred & fg).sum().item()
            union += (pred | fg).sum().item()
            right += (pred == fg).sum().item()
            total += fg.numel()
    return inter / max(union, 1), right / total


rng = np.random.default_rng(SEED)
train_loader = DataLoader(LesionDataset(400, rng), batch_size=cfg["samples_per_gpu"], shuffle=True)
val_loader = DataLoader(LesionDataset(120, rng), batch_size=40)
model = EncoderDecoder()
loss_decode = nn.CrossEntropyLoss(ignore_index=cfg["ignore_index"])
optimizer = torch.optim.SGD(model.parameters(), **cfg["optimizer"])
for epoch in range(cfg["max_epochs"]):
    model.train()
    losses = []
    for img, gt in train_loader:
        optimizer.zero_grad()
        loss = loss_decode(model(img), gt)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    iou, acc = evaluate(model, val_loader)
    print(f"Epoch [{epoch + 1}] decode.loss_ce: {np.mean(losses):.4f}  target IoU: {iou:.4f}  aAcc: {acc:.4f}")

print("RESULT", json.dumps({"metric": "iou", "value": iou}))
