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
SIZE = 32


def make_ct(n):
    yy, xx = np.mgrid[:SIZE, :SIZE]
    images, masks = [], []
    for _ in range(n):
        body = ((xx - 16) / 15) ** 2 + ((yy - 16) / 14) ** 2 < 1
        img = 0.35 * body
        cx, cy = np.random.uniform(10, 22, 2)
        a, b = np.random.uniform(2.5, 4.5, 2)
        organ = ((xx - cx) / a) ** 2 + ((yy - cy) / b) ** 2 < 1
        img = img + 0.35 * organ + np.random.randn(SIZE, SIZE) * 0.1
        images.append(img)
        masks.append(organ)
    x = torch.tensor(np.array(images), dtype=torch.float32).unsqueeze(1)
    y = torch.tensor(np.array(masks), dtype=torch.float32).unsqueeze(1)
    return (x - 0.25) / 0.2, y


train_loader = DataLoader(TensorDataset(*make_ct(240)), batch_size=16, shuffle=True)
val_loader = DataLoader(TensorDataset(*make_ct(60)), batch_size=16)


class ConvBlock(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class TransUNetLite(nn.Module):
    def __init__(self, ch=16):
        super().__init__()
        self.enc1 = ConvBlock(1, ch)
        self.enc2 = ConvBlock(ch, 2 * ch)
        self.enc3 = ConvBlock(2 * ch, 2 * ch)
        self.pos = nn.Parameter(torch.randn(1, 64, 2 * ch) * 0.02)
        self.trans = nn.TransformerEncoderLayer(2 * ch, 4, 64, dropout=0.1, batch_first=True)
        self.dec2 = ConvBlock(4 * ch, ch)
        self.dec1 = ConvBlock(2 * ch, ch)
        self.outc = nn.Conv2d(ch, 1, kernel_size=1)

    def forward(self, x):
        e1 = self.enc1(x)
        e2 = self.enc2(F.max_pool2d(e1, 2))
        e3 = self.enc3(F.max_pool2d(e2, 2))
        b, c, h, w = e3.shape
        t = self.trans(e3.flatten(2).transpose(1, 2) + self.pos)
        t = t.transpose(1, 2).reshape(b, c, h, w)
        d2 = self.dec2(torch.cat([F.interpolate(t, scale_factor=2), e2], 1))
        d1 = self.dec1(torch.cat([F.interpolate(d2, scale_factor=2), e1], 1))
        return self.outc(d1)


model = TransUNetLite()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)


def validate():
    model.eval()
    loss, inter, total = 0.0, 0.0, 0.0
    with torch.no_grad():
        for x, y in val_loader:
            out = model(x)
            loss += criterion(out, y).item() * len(x)
            pred = (torch.sigmoid(out) > 0.5).float()
            inter += (pred * y).sum().item()
            total += pred.sum().item() + y.sum().item()
    return loss / len(val_loader.dataset), 2 * inter / (total + 1e-6)


for epoch in range(8):
    model.train()
    running = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(x)
    val_loss, dice = validate()
    print(f"Epoch {epoch + 1}: train loss {running / len(train_loader.dataset):.4f} val loss {val_loss:.4f} dice {dice:.4f}")

print("RESULT", json.dumps({"metric": "val_loss", "value": validate()[0]}))
