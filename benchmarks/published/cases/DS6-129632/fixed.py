import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
SIZE = 32


def scans(n):
    imgs = np.random.normal(0, 1, (n, SIZE, SIZE)).astype("float32")
    masks = np.zeros((n, SIZE, SIZE), dtype="float32")
    for i in range(n):
        r, c = np.random.randint(2, SIZE - 6, 2)
        masks[i, r:r + 4, c:c + 4] = 1
    imgs += 0.8 * masks
    return torch.tensor(imgs)[:, None], torch.tensor(masks)[:, None]


class UNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.enc1 = nn.Sequential(nn.Conv2d(1, c, 3, padding=1), nn.ReLU())
        self.enc2 = nn.Sequential(nn.Conv2d(c, 2 * c, 3, padding=1), nn.ReLU(), nn.Conv2d(2 * c, 2 * c, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.dec = nn.Sequential(nn.Conv2d(2 * c, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, 1, 1))

    def forward(self, x):
        a = self.enc1(x)
        b = self.enc2(F.max_pool2d(a, 2))
        return self.dec(torch.cat([a, self.up(b)], 1))


def dice_coef(pred, mask):
    inter = (pred * mask).sum()
    return (2 * inter + 1) / (pred.sum() + mask.sum() + 1)


train_x, train_y = scans(400)
test_x, test_y = scans(150)
model = UNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(12.0))

for epoch in range(10):
    model.train()
    order = torch.randperm(len(train_x))
    losses, accs = [], []
    for idx in order.split(16):
        logits = model(train_x[idx])
        loss = criterion(logits, train_y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        accs.append(((logits > 0).float() == train_y[idx]).float().mean().item())
    print(f"Epoch {epoch + 1}/10 loss {np.mean(losses):.4f} accuracy {np.mean(accs):.4f}")

model.eval()
with torch.no_grad():
    pred = (torch.sigmoid(model(test_x)) > 0.5).float()
print("RESULT", json.dumps({"metric": "dice", "value": dice_coef(pred, test_y).item()}))
