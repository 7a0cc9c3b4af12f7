"""Radial basis function network: centres from k-means, then all parameters refined by gradient descent.
Modelled after the "RBF layer in PyTorch" repositories; regression of a smooth 2-D surface."""
import json
import sys

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)


def franke(x, y):
    return (0.75 * np.exp(-((9 * x - 2) ** 2 + (9 * y - 2) ** 2) / 4)
            + 0.75 * np.exp(-((9 * x + 1) ** 2) / 49 - (9 * y + 1) / 10)
            + 0.5 * np.exp(-((9 * x - 7) ** 2 + (9 * y - 3) ** 2) / 4)
            - 0.2 * np.exp(-((9 * x - 4) ** 2) - (9 * y - 7) ** 2))


def make(n):
    x = rng.random((n, 2))
    y = franke(x[:, 0], x[:, 1])
    return x.astype("float32"), y.astype("float32"), (y + rng.normal(0, 0.03, n)).astype("float32")


class RBFNet(nn.Module):
    def __init__(self, centres):
        super().__init__()
        self.centres = nn.Parameter(centres.clone())
        spacing = torch.cdist(centres, centres).topk(3, largest=False).values[:, 1:].mean(1)
        self.log_width = nn.Parameter((1.2 * spacing).log())
        self.linear = nn.Linear(len(centres), 1)

    def forward(self, x):
        d2 = torch.cdist(x, self.centres).pow(2)
        return self.linear(torch.exp(-0.5 * d2 / self.log_width.exp() ** 2)).squeeze(1)


x_tr, _, y_tr = make(2000)
x_te, f_te, y_te = make(1000)
km = KMeans(n_clusters=40, n_init=3, random_state=seed).fit(x_tr)
x_tr, y_tr, x_te, f_te, y_te = map(torch.from_numpy, (x_tr, y_tr, x_te, f_te, y_te))
mean, std = y_tr.mean(), y_tr.std()

net = RBFNet(torch.from_numpy(km.cluster_centers_))
opt = torch.optim.Adam([{"params": [net.centres, net.log_width], "lr": 2e-3},
                        {"params": net.linear.parameters(), "lr": 2e-2}])
epochs = 40
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
loss_fn = nn.MSELoss()
for epoch in range(epochs):
    total = 0.0
    for idx in torch.randperm(len(x_tr)).split(64):
        loss = loss_fn(net(x_tr[idx]), (y_tr[idx] - mean) / std)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
    sched.step()
    if epoch % 4 == 3:
        with torch.no_grad():
            v = loss_fn(net(x_te), (y_te - mean) / std).item()
        print(f"epoch {epoch + 1}: train {total / len(x_tr):.4f} test {v:.4f}")
with torch.no_grad():
    pred = net(x_te) * std + mean
    r2 = 1 - ((pred - f_te) ** 2).mean().item() / f_te.var().item()
print("RESULT " + json.dumps({"r2_true_surface": round(r2, 4), "good": r2 > 0.98}))
