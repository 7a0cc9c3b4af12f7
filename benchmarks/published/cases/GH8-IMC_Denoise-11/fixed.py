import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

train_epoches = 10
train_batch_size = 32
train_initial_lr = 1e-3
P = 32


def patches(n):
    yy, xx = np.mgrid[:P, :P]
    clean = np.zeros((n, 1, P, P), dtype="float32")
    for i in range(n):
        for _ in range(np.random.randint(2, 6)):
            cx, cy = np.random.uniform(0, P, 2)
            s = np.random.uniform(2, 5)
            clean[i, 0] += np.random.uniform(0.3, 1) * np.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / (2 * s * s))
    clean = clean / 2
    noisy = np.random.poisson(np.clip(clean, 0, None) * 15) / 15.0
    hot = np.random.rand(*noisy.shape) < 0.01
    noisy[hot] += np.random.uniform(0.3, 1, hot.sum())
    return torch.tensor(noisy, dtype=torch.float32), torch.tensor(clean)


train_x, train_y = patches(500)
val_x, val_y = patches(100)


def conv(cin, cout):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU())


class DIMRNet(nn.Module):
    def __init__(self, ch=16):
        super().__init__()
        self.down1, self.down2 = conv(1, ch), conv(ch, 2 * ch)
        self.mid = conv(2 * ch, 2 * ch)
        self.up1 = conv(4 * ch, ch)
        self.up2 = conv(2 * ch, ch)
        self.out = nn.Conv2d(ch, 1, 1)

    def forward(self, x):
        d1 = self.down1(x)
        d2 = self.down2(F.max_pool2d(d1, 2))
        m = self.mid(F.max_pool2d(d2, 2))
        u1 = self.up1(torch.cat([F.interpolate(m, scale_factor=2), d2], 1))
        u2 = self.up2(torch.cat([F.interpolate(u1, scale_factor=2), d1], 1))
        return self.out(u2)


net = DIMRNet()
optimizer = torch.optim.Adam(net.parameters(), lr=train_initial_lr)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=4)

for epoch in range(train_epoches):
    net.train()
    order = torch.randperm(len(train_x))
    train_loss = 0.0
    for i in range(0, len(order), train_batch_size):
        idx = order[i:i + train_batch_size]
        loss = F.mse_loss(net(train_x[idx]), train_y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(idx)
    net.eval()
    with torch.no_grad():
        val_loss = F.mse_loss(net(val_x), val_y).item()
    scheduler.step(val_loss)
    print(f"Epoch {epoch + 1}/{train_epoches} loss: {train_loss / len(order):.6f} - val_loss: {val_loss:.6f}")

print("RESULT", json.dumps({"metric": "val_mse", "value": val_loss}))
