"""LambdaRank for graded relevance: pairwise logistic losses weighted by the NDCG change, query by query.

Modelled after Burges's "From RankNet to LambdaRank to LambdaMART" and allegro/allRank (own code, MSLR-like synthetic queries).
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

N_DOCS, N_FEAT = 25, 20


def make_queries(rng, n):
    x = rng.normal(size=(n, N_DOCS, N_FEAT))
    x += rng.normal(size=(n, 1, N_FEAT)) * 0.5                       # what a query's documents share
    u = 1.2 * x[..., 0] - 0.8 * x[..., 1] + np.sin(2 * x[..., 2]) + 0.7 * x[..., 3] * x[..., 4] - 0.6 * np.abs(x[..., 5])
    u += 0.3 * rng.normal(size=u.shape)
    order = u.argsort(1).argsort(1) / (N_DOCS - 1)
    rel = np.digitize(order, [0.5, 0.72, 0.87, 0.95])                # grades 0..4, most of them 0
    x[..., 6:] = x[..., 6:] * rng.uniform(0.5, 2, N_FEAT - 6)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(rel)


def dcg_gain(rel):
    return 2.0 ** rel - 1


def ndcg(scores, rel, k=10):
    disc = 1 / torch.log2(torch.arange(k) + 2.0)
    top = rel.gather(1, scores.topk(k, 1).indices)
    best = rel.sort(1, descending=True).values[:, :k]
    return ((dcg_gain(top) * disc).sum(1) / (dcg_gain(best) * disc).sum(1)).mean().item()


def lambda_loss(scores, rel):
    rank = scores.detach().argsort(1, descending=True).argsort(1)
    disc = 1 / torch.log2(rank + 2.0)
    gain = dcg_gain(rel)
    ideal = rel.sort(1, descending=True).values
    idcg = (dcg_gain(ideal) / torch.log2(torch.arange(rel.shape[1]) + 2.0)).sum(1)
    delta = (gain[:, :, None] - gain[:, None]).abs() * (disc[:, :, None] - disc[:, None]).abs() / idcg[:, None, None]
    better = (rel[:, :, None] > rel[:, None]).float()
    pair = F.softplus(-(scores[:, :, None] - scores[:, None]))
    return (better * delta * pair).sum((1, 2)).mean()


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(N_FEAT, 64), nn.ReLU(),
                                 nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1)


def main(seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, r = make_queries(rng, 1600)
    mean, std = x[:1000].mean((0, 1)), x[:1000].std((0, 1))
    x = (x - mean) / std
    (xtr, xva, xte), (rtr, rva, rte) = x.split([1000, 200, 400]), r.split([1000, 200, 400])
    model = Scorer()
    opt = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    epochs = 40
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    best, best_state = 0, None
    for epoch in range(epochs):
        model.train()
        tot = 0
        for idx in torch.randperm(len(xtr)).split(20):
            loss = lambda_loss(model(xtr[idx]), rtr[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
            tot += loss.item() * len(idx)
        sched.step()
        model.eval()
        with torch.no_grad():
            v = ndcg(model(xva), rva)
        if v > best:
            best, best_state = v, {k: p.clone() for k, p in model.state_dict().items()}
        if epoch % 4 == 0 or epoch == epochs - 1:
            print(f"epoch {epoch:2d} loss {tot / len(xtr):.4f} valid NDCG@10 {v:.4f}")
    model.load_state_dict(best_state)
    with torch.no_grad():
        final = ndcg(model(xte), rte)
        print(f"random order NDCG@10 {ndcg(torch.randn(rte.shape), rte):.4f}")
    print("RESULT", json.dumps({"metric": "test_ndcg10", "value": round(final, 5), "good": bool(final >= 0.93)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
