"""ComplEx knowledge-graph embeddings with reciprocal relations, full softmax and an N3 penalty on a kinship-like graph.

Modelled after Lacroix et al.'s facebookresearch/kbc (Adagrad at 0.1, N3) with filtered MRR (own code).
"""
import argparse
import json

import numpy as np
import torch
from torch import nn


def make_graph(rng, n_ent=160, n_rel=12, n_block=16, noise=0.02):
    """Every person belongs to one of 16 clans; a relation sends each clan to another one."""
    clan = rng.permutation(np.arange(n_ent) % n_block)
    triples = []
    for r in range(n_rel):
        target = rng.permutation(n_block)
        for h in range(n_ent):
            for t in np.flatnonzero(clan == target[clan[h]]):
                triples.append((h, r, t))
    triples = np.array(triples)
    bad = rng.random(len(triples)) < noise
    triples[bad, 2] = rng.integers(0, n_ent, bad.sum())
    triples = np.unique(triples, axis=0)
    rng.shuffle(triples)
    # half of the facts are held back and have to be inferred
    a, b = int(0.5 * len(triples)), int(0.6 * len(triples))
    return triples[:a], triples[a:b], triples[b:], n_ent, n_rel


class ComplEx(nn.Module):
    def __init__(self, n_ent, n_rel, rank, init=1e-2):
        super().__init__()
        self.rank = rank
        self.ent = nn.Embedding(n_ent, 2 * rank)
        self.rel = nn.Embedding(2 * n_rel, 2 * rank)
        with torch.no_grad():
            self.ent.weight.mul_(init)
            self.rel.weight.mul_(init)

    def forward(self, hr):
        h, r = self.ent(hr[:, 0]), self.rel(hr[:, 1])
        hr_, hi = h.split(self.rank, 1)
        rr, ri = r.split(self.rank, 1)
        q = torch.cat([hr_ * rr - hi * ri, hr_ * ri + hi * rr], 1)
        return q @ self.ent.weight.T, (h, r)

    def modulus(self, e):
        return (e[:, :self.rank] ** 2 + e[:, self.rank:] ** 2).sqrt()


def add_inverse(tr, n_rel):
    inv = np.stack([tr[:, 2], tr[:, 1] + n_rel, tr[:, 0]], 1)
    return np.concatenate([tr, inv])


@torch.no_grad()
def filtered_mrr(model, triples, known):
    total, hits = 0.0, 0
    for batch in triples.split(500):
        scores, _ = model(batch)
        for i, (h, r, t) in enumerate(batch.tolist()):
            s = scores[i]
            target = s[t].item()
            mask = known[(h, r)]
            s[mask] = -1e9
            rank = 1 + int((s > target).sum())
            total += 1 / rank
            hits += rank == 1
    return total / len(triples), hits / len(triples)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("seed", nargs="?", type=int, default=0)
    ap.add_argument("--rank", type=int, default=32)
    ap.add_argument("--lr", type=float, default=0.1)
    ap.add_argument("--reg", type=float, default=5e-2)
    ap.add_argument("--epochs", type=int, default=25)
    ap.add_argument("--batch", type=int, default=200)
    args = ap.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    train, valid, test, n_ent, n_rel = make_graph(rng)
    train, valid, test = (torch.as_tensor(add_inverse(s, n_rel)) for s in (train, valid, test))
    known = {}
    for h, r, t in torch.cat([train, valid, test]).tolist():
        known.setdefault((h, r), []).append(t)
    known = {k: torch.tensor(v) for k, v in known.items()}
    test = test[torch.randperm(len(test))[:4000]]
    print(f"{len(train)} training facts, {len(valid)} validation, {len(test)} test")

    model = ComplEx(n_ent, n_rel, args.rank)
    opt = torch.optim.Adagrad(model.parameters(), lr=args.lr)
    ce = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        fit_sum = 0.0
        batches = train[torch.randperm(len(train))].split(args.batch)
        for b in batches:
            scores, (h, r) = model(b)
            t = model.ent(b[:, 2])
            fit = ce(scores, b[:, 2])
            n3 = sum((model.modulus(e) ** 3).sum() for e in (h, r, t)) / len(b)
            loss = fit + args.reg * n3
            opt.zero_grad()
            loss.backward()
            opt.step()
            fit_sum += fit.item()
        if epoch % 4 == 3:
            mrr, h1 = filtered_mrr(model, valid, known)
            print(f"epoch {epoch + 1}: fit {fit_sum / len(batches):.4f} valid MRR {mrr:.4f} hits@1 {h1:.4f}")
    mrr, h1 = filtered_mrr(model, test, known)
    print(f"test MRR {mrr:.4f} hits@1 {h1:.4f}")
    print("RESULT", json.dumps({"metric": "test_mrr", "value": round(mrr, 5), "good": bool(mrr >= 0.92)}))


if __name__ == "__main__":
    main()
