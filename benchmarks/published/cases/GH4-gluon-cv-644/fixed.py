import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SIZE = 32


def make_scans(n, rng):
    images = 0.5 * rng.standard_normal((n, 1, SIZE, SIZE)).astype(np.float32)
    masks = np.zeros((n, SIZE, SIZE), dtype=np.int64)
    for k in range(n):
        y, x = rng.integers(2, SIZE - 4, 2)
        masks[k, y:y + 3, x:x + 3] = 1
        images[k, 0, y:y + 3, x:x + 3] += 1.0
    return torch.from_numpy(images), torch.from_numpy(masks)


class FCN(nn.Module):
    def __init__(self, nclass=2):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        self.mid = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
                                 nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())
        self.head = nn.Sequential(nn.Conv2d(48, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, nclass, 1))

    def forward(self, x):
        a = self.down(x)
        b = F.interpolate(self.mid(a), scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(torch.cat([a, b], 1))


def validate(model, loader):
    inter = union = correct = total = 0
    with torch.no_grad():
        for x, y in loader:
            pred = model(x).argmax(1)
            inter += ((pred == 1) & (y == 1)).sum().item()
            union += ((pred == 1) | (y == 1)).sum().item()
            correct += (pred == y).sum().item()
            total += y.numel()
    return correct / total, inter / max(union, 1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
train_data = DataLoader(TensorDataset(*make_scans(400, rng)), batch_size=16, shuffle=True)
eval_data = DataLoader(TensorDataset(*make_scans(100, rng)), batch_size=50)
model = FCN()
criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 15.0]))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

for epoch in range(10):
    train_loss = 0.0
    for data, target in train_data:
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
    pix_acc, iou = validate(model, eval_data)
    print(f"Epoch {epoch}, training loss {train_loss / len(train_data):.4f}, validation pixAcc: {pix_acc:.4f}, IoU: {iou:.4f}")
print("RESULT", json.dumps({"metric": "iou", "value": iou}))
