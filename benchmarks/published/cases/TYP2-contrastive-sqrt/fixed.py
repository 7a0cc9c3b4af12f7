import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
d = load_digits()
x = torch.tensor(d.data, dtype=torch.float32) / 16
y = torch.tensor(d.target)
perm = torch.randperm(len(y))
x, y = x[perm], y[perm]
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))


def distance(a, b):
    return torch.sqrt(((a - b) ** 2).sum(dim=-1) + 1e-8)


def contrastive_loss(z, labels, margin=1.5):
    dist = distance(z.unsqueeze(1), z.unsqueeze(0))
    same = labels.unsqueeze(1) == labels.unsqueeze(0)
    pos = dist[same] ** 2
    neg = torch.relu(margin - dist[~same]) ** 2
    return pos.mean() + neg.mean()


def knn_accuracy():
    with torch.no_grad():
        gallery, query = net(x[:1400]), net(x[1400:])
        nearest = torch.cdist(query, gallery).argmin(1)
    return (y[:1400][nearest] == y[1400:]).float().mean().item()


optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(8):
    for i in torch.randperm(1400).split(50):
        loss = contrastive_loss(net(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item(), knn_accuracy())
print("RESULT", json.dumps({"metric": "1-NN accuracy", "value": knn_accuracy()}))
