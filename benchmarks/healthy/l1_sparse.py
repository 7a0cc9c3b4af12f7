"""Sparse linear regression by proximal gradient steps: most weights are exactly zero, and are meant to be."""

import json
import sys

import torch

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
n, d, k = 400, 200, 8
w_true = torch.zeros(d)
w_true[torch.randperm(d)[:k]] = torch.sign(torch.randn(k)) * (1 + torch.rand(k))
X = torch.randn(n, d)
y = X @ w_true + 0.3 * torch.randn(n)
X_test = torch.randn(500, d)
y_test = X_test @ w_true + 0.3 * torch.randn(500)

model = torch.nn.Linear(d, 1)
torch.nn.init.zeros_(model.weight)
optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
lam = 0.1
for epoch in range(60):
    for idx in torch.randperm(n).split(40):
        loss = torch.nn.functional.mse_loss(model(X[idx]).squeeze(1), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            w = model.weight
            w.copy_(torch.sign(w) * torch.relu(w.abs() - 0.03 * lam))
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, {int((model.weight != 0).sum())} weights left")
with torch.no_grad():
    error = torch.nn.functional.mse_loss(model(X_test).squeeze(1), y_test).item() / y_test.var().item()
zero = (model.weight == 0).float().mean().item()
print("RESULT", json.dumps({"metric": "mse/var(y)", "value": round(error, 4), "good": error <= 0.05 and zero >= 0.5}))
