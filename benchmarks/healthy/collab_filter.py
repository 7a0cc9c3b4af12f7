# Collaborative filtering from scratch, in the manner of fastbook chapter 8
import json
import sys

import numpy as np
import pandas as pd
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

# Ratings of 400 users for 300 films, made from 4 hidden tastes; about 15 % of the pairs are rated
n_users, n_movies, k = 400, 300, 4
taste, style = rng.normal(size=(n_users, k)), rng.normal(size=(n_movies, k))
true = 3.4 + 0.4 * rng.normal(size=(n_users, 1)) + 0.5 * rng.normal(size=(1, n_movies)) + 0.45 * taste @ style.T
ratings = pd.DataFrame([(u, m) for u in range(n_users) for m in range(n_movies)], columns=["user", "movie"])
ratings["rating"] = (true.ravel() + 0.3 * rng.normal(size=len(ratings))).round().clip(1, 5)
ratings = ratings.sample(frac=0.2, random_state=seed).reset_index(drop=True)
print(ratings.head())
print(ratings.rating.value_counts(normalize=True).sort_index())

n_valid = len(ratings) // 5
valid, train = ratings[:n_valid], ratings[n_valid:]


def tensors(df):
    return torch.tensor(df[["user", "movie"]].values), torch.tensor(df["rating"].values, dtype=torch.float32)


x_train, y_train = tensors(train)
x_valid, y_valid = tensors(valid)


def sigmoid_range(x, lo, hi):
    return torch.sigmoid(x) * (hi - lo) + lo


class DotProductBias(nn.Module):
    def __init__(self, n_users, n_movies, n_factors, y_range=(0.5, 5.5)):
        super().__init__()
        self.user_factors = self.create_params(n_users, n_factors)
        self.user_bias = self.create_params(n_users)
        self.movie_factors = self.create_params(n_movies, n_factors)
        self.movie_bias = self.create_params(n_movies)
        self.y_range = y_range

    @staticmethod
    def create_params(*size):
        return nn.Parameter(torch.zeros(*size).normal_(0, 0.01))

    def forward(self, x):
        users, movies = self.user_factors[x[:, 0]], self.movie_factors[x[:, 1]]
        res = (users * movies).sum(dim=1)
        res = res + self.user_bias[x[:, 0]] + self.movie_bias[x[:, 1]]
        return sigmoid_range(res, *self.y_range)


model = DotProductBias(n_users, n_movies, n_factors=8)
epochs, bs = 15, 64
opt = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.1, betas=(0.9, 0.99))
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=5e-3, total_steps=epochs * (len(x_train) // bs))
loss_func = nn.MSELoss()

print("epoch  train_loss  valid_loss")
for epoch in range(epochs):
    model.train()
    perm, total = torch.randperm(len(x_train)), 0.0
    for i in range(len(x_train) // bs):
        j = perm[i * bs:(i + 1) * bs]
        loss = loss_func(model(x_train[j]), y_train[j])
        loss.backward()
        opt.step()
        sched.step()
        opt.zero_grad()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        valid_loss = loss_func(model(x_valid), y_valid).item()
    print(f"{epoch:5d}  {total / (len(x_train) // bs):10.4f}  {valid_loss:10.4f}")

baseline = (y_valid - y_train.mean()).pow(2).mean().item()
print(f"mean rating as the guess: {baseline:.3f}")
top = model.movie_bias.argsort(descending=True)[:5]
print("best-liked films:", top.tolist())
rmse = valid_loss ** 0.5
print("RESULT", json.dumps({"metric": "valid rmse", "value": round(rmse, 4), "good": rmse <= 0.75}))
