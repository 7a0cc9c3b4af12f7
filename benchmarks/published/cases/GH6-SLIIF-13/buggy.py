import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


class CoordMLP(nn.Module):
    def __init__(self, in_dim, out_dim, hidden):
        super().__init__()
        self.first = nn.Linear(in_dim, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, out_dim)

    def forward(self, x):
        h = torch.relu(self.first(x))
        h = h + torch.relu(self.second(h))
        return self.last(h)


class ResMLPS(nn.Module):
    def __init__(self, in_dim, out_dim, hidden=48, branches=5):
        super().__init__()
        self.mlps = [CoordMLP(in_dim, 8, hidden) for _ in range(branches)]
        self.coord_mlp = CoordMLP(2, 8, 8)
        self.expansion = nn.Linear(8 * (branches + 1), out_dim)

    def forward(self, coords, feats):
        x = torch.cat([coords, feats], dim=-1)
        parts = [mlp(x) for mlp in self.mlps] + [self.coord_mlp(coords)]
        return self.expansion(torch.cat(parts, dim=-1))


def image(coords):
    x, y = coords[:, 0], coords[:, 1]
    r = torch.sqrt(x ** 2 + y ** 2)
    return torch.stack([torch.sin(6 * x) * torch.cos(4 * y), torch.tanh(8 * (r - 0.6)), torch.sin(5 * r + 3 * x)], 1)


def fourier(coords):
    return torch.cat([torch.sin(np.pi * coords), torch.cos(np.pi * coords)], dim=1)


coords = torch.rand(8000, 2) * 2 - 1
rgb = image(coords)
train_c, train_v = coords[:6400], rgb[:6400]
test_c, test_v = coords[6400:], rgb[6400:]

model = ResMLPS(6, 3)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.MSELoss()
for epoch in range(10):
    running = 0.0
    for idx in torch.randperm(len(train_c)).split(128):
        pred = model(train_c[idx], fourier(train_c[idx]))
        loss = loss_fn(pred, train_v[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * len(idx)
    print(f"epoch {epoch} loss {running / len(train_c):.5f}")

model.eval()
with torch.no_grad():
    psnr = -10 * torch.log10(loss_fn(model(test_c, fourier(test_c)), test_v) / 4).item()
print("RESULT", json.dumps({"metric": "psnr", "value": psnr}))
