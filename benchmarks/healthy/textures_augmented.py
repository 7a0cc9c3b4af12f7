"""Colour texture classification with a small CNN, flips and random crops, SGD with Nesterov momentum and step decay."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed + 7)
S = 24
NAMES = ["horizontal", "vertical", "checks", "dots", "clouds", "rings"]
yy, xx = np.mgrid[0:S, 0:S].astype(np.float32)


def texture(k):
    f, p, q = rng.uniform(.8, 1.5), rng.uniform(0, 6.3), rng.uniform(0, 6.3)
    if k == 0:
        g = np.sin(f * yy + p + .1 * xx * rng.uniform(-1, 1))
    elif k == 1:
        g = np.sin(f * xx + p + .1 * yy * rng.uniform(-1, 1))
    elif k == 2:
        g = np.sign(np.sin(f * xx + p) * np.sin(f * yy + q))
    elif k == 3:
        g = 2 * np.exp(-((np.sin(f * xx / 2 + p) ** 2 + np.sin(f * yy / 2 + q) ** 2) / .25)) - 1
    elif k == 4:
        z = np.fft.rfft2(rng.normal(size=(S, S)))
        fy, fx = np.fft.fftfreq(S)[:, None], np.fft.rfftfreq(S)[None]
        g = np.fft.irfft2(z * np.exp(-(fy ** 2 + fx ** 2) / .008), s=(S, S))
        g = g / (g.std() + 1e-6)
    else:
        g = np.sin(f * np.hypot(xx - rng.uniform(6, 18), yy - rng.uniform(6, 18)) + p)
    hue = rng.uniform(.3, 1., 3) * rng.choice([-1, 1])
    return g[None] * hue[:, None, None] + rng.uniform(-.3, .3, 3)[:, None, None] + rng.normal(0, .7, (3, S, S))


class Textures(Dataset):
    def __init__(self, n, train, stats=None):
        y = rng.integers(0, 6, n)
        self.x = torch.tensor(np.stack([texture(k) for k in y]), dtype=torch.float32)
        self.y = torch.from_numpy(y)
        self.stats = stats or (self.x.mean((0, 2, 3), keepdim=True), self.x.std((0, 2, 3), keepdim=True))
        self.x = (self.x - self.stats[0]) / self.stats[1]
        self.train = train

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        x = self.x[i]
        if self.train:
            if torch.rand(()) < .5:
                x = x.flip(2)
            r, c = torch.randint(0, 5, (2,)).tolist()
            x = x[:, r:r + 20, c:c + 20]
        else:
            x = x[:, 2:22, 2:22]
        return x, self.y[i]


def conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True), nn.MaxPool2d(2))


tr = Textures(2400, True)
va = Textures(1200, False, tr.stats)
lt, lv = DataLoader(tr, 64, shuffle=True, drop_last=True), DataLoader(va, 300)
net = nn.Sequential(conv(3, 16), conv(16, 32), conv(32, 48), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 6))
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
sched = torch.optim.lr_scheduler.MultiStepLR(opt, [4, 5], gamma=0.2)
ce = nn.CrossEntropyLoss()
for ep in range(1, 7):
    net.train()
    s = 0.
    for x, y in lt:
        opt.zero_grad()
        loss = ce(net(x), y)
        loss.backward()
        opt.step()
        s += loss.item()
    sched.step()
    net.eval()
    with torch.no_grad():
        outs = [(net(x), y) for x, y in lv]
    vl = np.mean([ce(o, y).item() for o, y in outs])
    acc = np.mean([(o.argmax(1) == y).float().mean().item() for o, y in outs])
    print(f"epoch {ep:2d} train {s / len(lt):.4f} val {vl:.4f} acc {acc:.4f}")
print("RESULT", json.dumps({"val_acc": round(float(acc), 4), "good": bool(acc > 0.95)}))
