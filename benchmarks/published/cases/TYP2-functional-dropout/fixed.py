import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_friedman1
from torch import nn, optim

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
X, y = make_friedman1(2000, noise=0.5, random_state=SEED)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).view(-1, 1)
X_tr, y_tr, X_te, y_te = X[:1600], y[:1600], X[1600:], y[1600:]


class Regressor(nn.Module):
    def __init__(self, n_in, n_hidden=256):
        super().__init__()
        self.l1 = nn.Linear(n_in, n_hidden)
        self.l2 = nn.Linear(n_hidden, n_hidden)
        self.l3 = nn.Linear(n_hidden, 1)

    def forward(self, x):
        x = F.dropout(F.relu(self.l1(x)), p=0.2, training=self.training)
        x = F.dropout(F.relu(self.l2(x)), p=0.2, training=self.training)
        return self.l3(x)


model = Regressor(10)
opt = optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(60):
    model.train()
    for i in range(0, 1600, 64):
        opt.zero_grad()
        loss = F.mse_loss(model(X_tr[i:i + 64]), y_tr[i:i + 64])
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        model.eval()
        with torch.no_grad():
            test = F.mse_loss(model(X_te), y_te).item()
        print(f"[{epoch + 1}/60] train {loss.item():.4f} test {test:.4f}")
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": test}))
