import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

BALANCE = 0.03


class MoE(nn.Module):
    def __init__(self, d, n_experts=4, hidden=6):
        super().__init__()
        self.gate = nn.Linear(d, n_experts)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(d, hidden), nn.Tanh(), nn.Linear(hidden, 1)) for _ in range(n_experts))
        nn.init.constant_(self.gate.bias, 0.0)

    def forward(self, x):
        probs = self.gate(x).softmax(-1)
        weight, chosen = probs.max(-1)
        y = torch.zeros(len(x))
        for k, expert in enumerate(self.experts):
            mine = (chosen == k).nonzero().squeeze(1)
            if len(mine):
                y = y.index_add(0, mine, expert(x[mine]).squeeze(1) * weight[mine])
        share = F.one_hot(chosen, probs.shape[1]).float().mean(0)
        aux = probs.shape[1] * (share * probs.mean(0)).sum()
        return y, aux, share


def target(x):
    return torch.where(x[:, 0] > 0, torch.sin(4 * x[:, 2]), torch.cos(4 * x[:, 3])) + torch.where(x[:, 1] > 0, 2 * x[:, 2], -2 * x[:, 3])


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, x_test = torch.rand(2000, 4) * 2 - 1, torch.rand(600, 4) * 2 - 1
y, y_test = target(x), target(x_test)
model = MoE(4)
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(20):
    for i in torch.randperm(2000).split(100):
        out, aux, share = model(x[i])
        loss = F.mse_loss(out, y[i]) + BALANCE * aux
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} loss {loss.item():.4f} share {[round(s, 2) for s in share.tolist()]}")
with torch.no_grad():
    value = F.mse_loss(model(x_test)[0], y_test).item() / y_test.var().item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
