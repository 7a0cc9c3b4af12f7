import json
import sys

import torch


class MatrixFactorization(torch.nn.Module):
    def __init__(self, n_users, n_items, k):
        super().__init__()
        self.user = torch.nn.Embedding(n_users, k)
        self.item = torch.nn.Embedding(n_items, k)
        self.user_bias = torch.nn.Embedding(n_users, 1)
        self.item_bias = torch.nn.Embedding(n_items, 1)
        self.mean = torch.nn.Parameter(torch.zeros(1))
        self.user.weight.data.normal_(0, 0.1)
        self.item.weight.data.normal_(0, 0.1)
        for e in (self.user_bias, self.item_bias):
            e.weight.data.zero_()

    def forward(self, u, i):
        dot = (self.user(u) * self.item(i)).sum(1)
        return dot + self.user_bias(u).squeeze(1) + self.item_bias(i).squeeze(1) + self.mean


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
USERS, ITEMS, K = 150, 100, 3
P, Q = torch.randn(USERS, K), torch.randn(ITEMS, K)
users, items = torch.randint(USERS, (9000,)), torch.randint(ITEMS, (9000,))
stars = 3.3 + 0.6 * (P[users] * Q[items]).sum(1) + 0.3 * torch.randn(USERS)[users] + 0.2 * torch.randn(9000)
train = torch.arange(9000) < 8000

model = MatrixFactorization(USERS, ITEMS, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
tr = train.nonzero().squeeze(1)
te = (~train).nonzero().squeeze(1)
for epoch in range(25):
    total = 0.0
    for b in tr[torch.randperm(len(tr))].split(200):
        loss = torch.nn.functional.mse_loss(model(users[b], items[b]), stars[b])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(b)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: train rmse {(total / len(tr)) ** 0.5:.4f}")
with torch.no_grad():
    rmse = torch.nn.functional.mse_loss(model(users[te], items[te]), stars[te]).sqrt().item()
print("test rmse", rmse)
print("RESULT", json.dumps({"metric": "rmse", "value": rmse}))
