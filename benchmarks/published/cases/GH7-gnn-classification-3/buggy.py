import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
NODES, FEATS = 14, 24


def make_graphs(n):
    adj = np.zeros((n, NODES, NODES), dtype="float32")
    x = rng.normal(0, 1.0, (n, NODES, FEATS)).astype("float32")
    y = rng.integers(0, 2, n)
    for g in range(n):
        kind = rng.permutation(np.repeat([0, 1], NODES // 2))
        x[g, :, 0] += 2.0 * (2 * kind - 1)
        same = kind[:, None] == kind[None, :]
        p = np.where(same, 0.55, 0.1) if y[g] == 1 else np.where(same, 0.1, 0.5)
        a = np.triu(rng.random((NODES, NODES)) < p, 1)
        adj[g] = a + a.T
    return torch.from_numpy(adj), torch.from_numpy(x), torch.from_numpy(y)


def normalise(adj):
    a = adj + torch.eye(NODES)
    d = a.sum(-1).rsqrt()
    return a * d.unsqueeze(-1) * d.unsqueeze(-2)


class GraphConvolution(nn.Module):
    def __init__(self, fin, fout):
        super().__init__()
        self.lin = nn.Linear(fin, fout)

    def forward(self, a, x):
        return a @ self.lin(x)


class GCN(nn.Module):
    def __init__(self, n_feat, n_class, n_layer, agg_hidden, fc_hidden, dropout=0.1):
        super().__init__()
        self.dropout = dropout
        self.graph_layers = []
        for i in range(n_layer):
            self.graph_layers.append(GraphConvolution(n_feat if i == 0 else agg_hidden, agg_hidden))
        self.fc1 = nn.Linear(agg_hidden, fc_hidden)
        self.fc2 = nn.Linear(fc_hidden, n_class)

    def forward(self, adj, x):
        a = normalise(adj)
        for layer in self.graph_layers:
            x = F.dropout(F.relu(layer(a, x)), self.dropout, self.training)
        x = F.relu(self.fc1(x.mean(1)))
        return self.fc2(x)


train_set, test_set = make_graphs(1500), make_graphs(500)
model = GCN(FEATS, 2, n_layer=2, agg_hidden=32, fc_hidden=16)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-4)
for epoch in range(25):
    model.train()
    total = 0.0
    for idx in torch.randperm(1500).split(50):
        adj, x, y = (t[idx] for t in train_set)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(adj, x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        acc = (model(*test_set[:2]).argmax(1) == test_set[2]).float().mean().item()
    print("epoch: {} loss: {:.4f} test acc: {:.4f}".format(epoch, total / 1500, acc))

print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
