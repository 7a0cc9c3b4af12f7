import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class TempChange(nn.Module):
    """Tomorrow's change of temperature from five readings."""

    def __init__(self, inputs=5, width=40):
        super().__init__()
        self.inp = nn.Linear(inputs, width)
        self.mid = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        x = F.relu(self.inp(x))
        for layer in self.mid:
            x = F.relu(layer(x))
        return F.relu(self.out(x)).squeeze(-1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x = torch.randn(1000, 5)
y = torch.sin(2 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.1 * torch.randn(1000)
model = TempChange()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 60)
for epoch in range(60):
    for ids in torch.randperm(800).chunk(16):
        loss = F.mse_loss(model(x[ids]), y[ids])
        loss.backward()
        opt.step()
        opt.zero_grad(set_to_none=True)
    sched.step()
    if (epoch + 1) % 10 == 0:
        with torch.no_grad():
            val = F.mse_loss(model(x[800:]), y[800:]).item()
        print(f"{epoch + 1:3d} | {loss.item():.4f} | {val:.4f}")
print("RESULT", json.dumps({"metric": "mse", "value": val}))
