"""Regress an image from pixel coordinates with random Fourier features; a quarter of the pixels is held out.
Modelled after Tancik et al. 2020, "Fourier features let networks learn high frequency functions"."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_sample_image

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

img = torch.tensor(load_sample_image("flower.jpg")).float().permute(2, 0, 1).unsqueeze(0) / 255
img = F.interpolate(img, size=(96, 96), mode="area")[0].permute(1, 2, 0)
axis = (torch.arange(96) + 0.5) / 96
grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
coords, colors = grid.reshape(-1, 2), img.reshape(-1, 3)
perm = torch.randperm(len(coords))
train, test = perm[: 3 * len(perm) // 4], perm[3 * len(perm) // 4:]


class FourierMLP(nn.Module):
    def __init__(self, mapping=64, scale=3.0, width=64):
        super().__init__()
        self.register_buffer("B", torch.randn(mapping, 2) * scale)
        self.net = nn.Sequential(nn.Linear(2 * mapping, width), nn.ReLU(),
                                 nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3), nn.Sigmoid())

    def forward(self, v):
        proj = 2 * math.pi * v @ self.B.T
        return self.net(torch.cat([proj.sin(), proj.cos()], dim=-1))


def psnr(mse):
    return -10 * math.log10(mse)


model = FourierMLP()
opt = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-6)
iters, bs = 800, 1024
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, iters)
for it in range(iters):
    idx = train[torch.randint(0, len(train), (bs,))]
    loss = F.mse_loss(model(coords[idx]), colors[idx])
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if (it + 1) % 100 == 0:
        with torch.no_grad():
            held = F.mse_loss(model(coords[test]), colors[test]).item()
        print(f"iter {it + 1}: train psnr {psnr(loss.item()):.2f} test psnr {psnr(held):.2f}")
result = psnr(held)
print("RESULT " + json.dumps({"heldout_psnr_db": round(result, 2), "good": result > 24}))
