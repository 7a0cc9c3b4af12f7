import json
import sys

import numpy as np
import torch
from torch import nn


class MatrixFactorization(nn.Module):
    def __init__(self, n_users, n_items, n_factors=20):
        super().__init__()
        self.user_factors = nn.Embedding(n_users, n_factors)
        self.item_factors = nn.Embedding(n_items, n_factors)
        self.user_biases = nn.Embedding(n_users, 1)
        self.item_biases = nn.Embedding(n_items, 1)
        nn.init.normal_(self.user_factors.weight, std=0.1)
        nn.init.normal_(self.item_factors.weight, std=0.1)
        nn.init.zeros_(self.user_biases.weight)
        nn.init.zeros_(self.item_biases.weight)

    def forward(self, user, item):
        dot = (self.user_factors(user) * self.item_factors(item)).sum(1)
        return dot + self.user_biases(user).squeeze(1) + self.item_biases(item).squeeze(1)


def make_ratings(rng, n_users=200, n_items=120, n_ratings=9000):
    p = rng.normal(0, 1, (n_users, 3))
    q = rng.normal(0, 1, (n_items, 3))
    bu, bi = rng.normal(0, 0.4, n_users), rng.normal(0, 0.4, n_items)
    cells = rng.choice(n_users * n_items, n_ratings, replace=False)
    u, i = cells // n_items, cells % n_items
    r = bu[u] + bi[i] + 0.6 * (p[u] * q[i]).sum(1) + rng.normal(0, 0.2, n_ratings)
    return torch.tensor(u), torch.tensor(i), torch.tensor(r, dtype=torch.float32)


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    users, items, ratings = make_ratings(rng)
    n_train = 7500
    model = MatrixFactorization(200, 120)
    loss_func = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    for epoch in range(30):
        perm = torch.randperm(n_train)
        running = 0.0
        for start in range(0, n_train, 32):
            idx = perm[start:start + 32]
            prediction = model(users[idx], items[idx])
            loss = loss_func(prediction, ratings[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item() * len(idx)
        with torch.no_grad():
            test = loss_func(model(users[n_train:], items[n_train:]), ratings[n_train:]).sqrt().item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}  train mse {running / n_train:.4f}  test rmse {test:.4f}")
    print("RESULT", json.dumps({"metric": "rmse", "value": test}))
