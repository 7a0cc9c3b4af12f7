"""A loop around Accelerate needs nothing: `penlight run accelerate_loop.py` sees it as it is."""

import sys

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


def points(n):
    y = torch.randint(3, (n,))
    angle = 2 * torch.pi * y / 3
    x = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.4 * torch.randn(n, 2)
    return TensorDataset(1.2 * x, y)


torch.manual_seed(0)
layers = [nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3)]
if "sound" not in sys.argv:
    layers.append(nn.Softmax(dim=1))  # cross_entropy has one already
model = nn.Sequential(*layers)

accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2, mixed_precision="bf16")
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loader = DataLoader(points(480), batch_size=24, shuffle=True)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

for epoch in range(10):
    for x, y in loader:
        with accelerator.accumulate(model):
            loss = F.cross_entropy(model(x), y)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
    print(f"epoch {epoch}  loss {loss.item():.3f}")
