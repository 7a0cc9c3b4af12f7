import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--batch_size", type=int, default=32)
parser.add_argument("--lr", type=float, default=2e-3)
opt = parser.parse_args()

torch.manual_seed(opt.seed)
rng = np.random.default_rng(opt.seed)


def draw(n):
    yy, xx = np.mgrid[0:16, 0:16]
    out = np.zeros((n, 1, 16, 16), dtype="float32")
    for i in range(n):
        for _ in range(3):
            cx, cy, r = rng.uniform(2, 14), rng.uniform(2, 14), rng.uniform(2, 5)
            if rng.random() < 0.5:
                m = (xx - cx) ** 2 + (yy - cy) ** 2 < r * r
            else:
                m = (abs(xx - cx) < r) & (abs(yy - cy) < r * 0.6)
            out[i, 0][m] = rng.uniform(0.2, 1.0)
    return torch.from_numpy(out)


class Pairs(Dataset):
    def __init__(self, n):
        self.hr = draw(n)
        self.lr = F.avg_pool2d(self.hr, 2)

    def __len__(self):
        return len(self.hr)

    def __getitem__(self, i):
        return self.lr[i], self.hr[i]


class Generator(nn.Module):
    def __init__(self, ch=24):
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(1, ch, 3, padding=1), nn.PReLU())
        self.body = nn.Sequential(nn.Conv2d(ch, ch, 3, padding=1), nn.PReLU(), nn.Conv2d(ch, ch, 3, padding=1))
        self.up = nn.Sequential(nn.Conv2d(ch, 4, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x):
        h = self.head(x)
        return self.up(torch.relu(h + self.body(h)))


train_loader = DataLoader(Pairs(1200), batch_size=opt.batch_size, shuffle=True)
val_loader = DataLoader(Pairs(300), batch_size=100)
netG = Generator()
optimizerG = torch.optim.Adam(netG.parameters(), lr=opt.lr)
schedulerG = StepLR(optimizerG, step_size=opt.epochs // 2, gamma=0.1)

for epoch in range(1, opt.epochs + 1):
    netG.train()
    running = 0.0
    for lr_img, hr_img in train_loader:
        optimizerG.zero_grad()
        loss = F.mse_loss(netG(lr_img), hr_img)
        loss.backward()
        optimizerG.step()
        schedulerG.step()
        running += loss.item() * len(lr_img)
    netG.eval()
    with torch.no_grad():
        mse = sum(F.mse_loss(netG(a), b, reduction="sum").item() for a, b in val_loader) / (300 * 256)
    print(f"[{epoch}/{opt.epochs}] train mse {running / 1200:.5f} val mse {mse:.5f} psnr {-10 * np.log10(mse):.2f}")

print("RESULT", json.dumps({"metric": "mse", "value": mse}))
