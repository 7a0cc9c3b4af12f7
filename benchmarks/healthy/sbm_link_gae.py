"""Graph auto-encoder for link prediction on a stochastic block model.

Messages pass over training edges only; held-out edges and an equal number of
non-edges make the test set. Even an oracle cannot reach AUC 1 here: between
communities links occur at random, so the loss has a high floor.
"""
import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch import nn


def make_graph(rng, n=400, k=5, p_in=0.20, p_out=0.02):
    z = rng.integers(0, k, n)
    p = np.where(z[:, None] == z[None], p_in, p_out)
    iu, ju = np.triu_indices(n, 1)
    hit = rng.random(len(iu)) < p[iu, ju]
    edges = np.stack([iu[hit], ju[hit]], 1)
    x = np.eye(k)[z] * 0.8 + rng.normal(size=(n, k))          # noisy attributes of the nodes
    x = np.concatenate([x, rng.normal(size=(n, 11))], 1)
    return z, p, edges, x


def norm_adj(n, edges):
    a = torch.eye(n)
    a[edges[:, 0], edges[:, 1]] = 1
    a[edges[:, 1], edges[:, 0]] = 1
    d = a.sum(1).rsqrt()
    return d[:, None] * a * d[None]


class GAE(nn.Module):
    def __init__(self, din, hidden=32, out=12):
        super().__init__()
        self.lin1 = nn.Linear(din, hidden)
        self.lin2 = nn.Linear(hidden, out)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def encode(self, adj, x):
        h = F.relu(adj @ self.lin1(x))
        return adj @ self.lin2(F.dropout(h, 0.3, self.training))

    def decode(self, z, pairs):
        return self.scale * (z[pairs[:, 0]] * z[pairs[:, 1]]).sum(1) + self.bias


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("seed", nargs="?", type=int, default=0)
    ap.add_argument("--epochs", type=int, default=500)
    args = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)

    blocks, p, edges, x = make_graph(rng)
    n = len(blocks)
    rng.shuffle(edges)
    n_test, n_val = int(0.2 * len(edges)), int(0.1 * len(edges))
    test_pos, val_pos, train_pos = edges[:n_test], edges[n_test:n_test + n_val], edges[n_test + n_val:]

    linked = np.zeros((n, n), bool)
    linked[edges[:, 0], edges[:, 1]] = True
    iu, ju = np.triu_indices(n, 1)
    free = np.stack([iu, ju], 1)[~linked[iu, ju]]
    free = free[rng.permutation(len(free))]
    test_neg, val_neg, pool = free[:n_test], free[n_test:n_test + n_val], free[n_test + n_val:]

    t = lambda a: torch.as_tensor(a)
    adj = norm_adj(n, t(train_pos))
    feats = torch.tensor(x, dtype=torch.float32)
    model = GAE(feats.shape[1])
    opt = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=5e-4)
    pool, pos = t(pool), t(train_pos)

    def auc(a, b):
        model.eval()
        with torch.no_grad():
            z = model.encode(adj, feats)
            s = torch.cat([model.decode(z, t(a)), model.decode(z, t(b))]).numpy()
        return roc_auc_score(np.r_[np.ones(len(a)), np.zeros(len(b))], s)

    for epoch in range(1, args.epochs + 1):
        model.train()
        neg = pool[torch.randint(0, len(pool), (len(pos),))]
        z = model.encode(adj, feats)
        loss = 0.5 * (F.softplus(-model.decode(z, pos)).mean() + F.softplus(model.decode(z, neg)).mean())
        opt.zero_grad()
        loss.backward()
        opt.step()
        if epoch % 50 == 0:
            print(f"epoch {epoch}: loss {loss.item():.4f}  val auc {auc(val_pos, val_neg):.4f}")

    got = auc(test_pos, test_neg)
    truth = np.r_[np.ones(n_test), np.zeros(n_test)]
    oracle = roc_auc_score(truth, np.r_[p[test_pos[:, 0], test_pos[:, 1]], p[test_neg[:, 0], test_neg[:, 1]]])
    a = np.zeros((n, n))
    a[train_pos[:, 0], train_pos[:, 1]] = 1
    a += a.T
    common = a @ a
    cn = roc_auc_score(truth, np.r_[common[test_pos[:, 0], test_pos[:, 1]], common[test_neg[:, 0], test_neg[:, 1]]])
    print(f"test auc {got:.4f}  oracle {oracle:.4f}  common neighbours {cn:.4f}")
    print("RESULT " + json.dumps({"metric": "auc_minus_oracle", "value": round(got - oracle, 4),
                                  "good": bool(got > oracle - 0.03 and got > cn)}))


if __name__ == "__main__":
    main()
