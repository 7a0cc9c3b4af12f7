"""A coordinate network with random Fourier features that memorises one photograph."""

import json
import math
import sys

import torch
from sklearn.datasets import load_sample_image
from torch import nn
from torch.nn import functional as F


class CoordinateNet(nn.Module):
    def __init__(self, features=64, width=96, scale=6.0):
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(2, features))
        self.mlp = nn.Sequential(
            nn.Linear(2 * features, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 3),
        )

    def forward(self, xy):
        phase = 2 * math.pi * xy @ self.frequencies
        return torch.sigmoid(self.mlp(torch.cat([phase.sin(), phase.cos()], dim=-1)))


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
photo = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)[None].float() / 255
photo = F.interpolate(photo, size=(48, 72), mode="area")[0]
height, width = photo.shape[1:]
rows, cols = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
xy = torch.stack([rows, cols], dim=-1).view(-1, 2)
rgb = photo.permute(1, 2, 0).reshape(-1, 3)

model = CoordinateNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.96)

for epoch in range(60):
    model.train()
    for idx in torch.randperm(len(xy)).split(256):
        loss = F.mse_loss(model(xy[idx]), rgb[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
    if (epoch + 1) % 10 == 0:
        model.eval()
        with torch.no_grad():
            psnr = -10 * F.mse_loss(model(xy), rgb).log10().item()
        print(f"epoch {epoch + 1}: PSNR {psnr:.2f} dB")

print("RESULT", json.dumps({"metric": "psnr_db", "value": round(psnr, 2), "good": psnr >= 25}))
