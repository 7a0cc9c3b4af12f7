"""Adversarial training (Madry et al., 2018) on 8x8 digits, beside an ordinary model for comparison.

The robust model's training loss is taken under attack, so it stays well above the clean one.
"""
import argparse
import json

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPS, ALPHA, STEPS = 0.1, 0.03, 5


def build():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10),
    )


def pgd(model, x, y, steps=STEPS):
    """Sign steps on the input within an L-infinity ball; the weights get no gradient from it."""
    delta = torch.empty_like(x).uniform_(-EPS, EPS)
    for _ in range(steps):
        delta.requires_grad_(True)
        loss = F.cross_entropy(model((x + delta).clamp(0, 1)), y)
        g, = torch.autograd.grad(loss, delta)
        delta = (delta.detach() + ALPHA * g.sign()).clamp(-EPS, EPS)
    return (x + delta).clamp(0, 1).detach()


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def fit(name, x, y, xv, yv, attack, epochs, lr=2e-3, batch=64):
    model = build()
    opt = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    for epoch in range(epochs):
        total = 0.0
        for idx in torch.randperm(len(x)).split(batch):
            model.train()
            xb, yb = x[idx], y[idx]
            if attack:
                xb = pgd(model, xb, yb)
            loss = F.cross_entropy(model(xb), yb)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            total += loss.item() * len(idx)
        sched.step()
        if epoch % 3 == 2:
            xa = pgd(model, xv, yv)
            print(f"[{name}] epoch {epoch + 1:2d} train loss {total / len(x):.4f} "
                  f"val clean {accuracy(model, xv, yv):.4f} val attacked {accuracy(model, xa, yv):.4f}")
    return model


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("seed", nargs="?", type=int, default=0)
    args = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    d = load_digits()
    x = torch.tensor(d.images / 16.0, dtype=torch.float32)[:, None]
    y = torch.tensor(d.target)
    tr, te = train_test_split(range(len(y)), test_size=0.3, stratify=d.target, random_state=args.seed)
    te, va = te[:360], te[360:]
    plain = fit("plain", x[tr], y[tr], x[va], y[va], attack=False, epochs=12)
    robust = fit("robust", x[tr], y[tr], x[va], y[va], attack=True, epochs=21)
    xt, yt = x[te], y[te]
    res = {}
    for name, m in (("plain", plain), ("robust", robust)):
        res[name] = accuracy(m, xt, yt), accuracy(m, pgd(m, xt, yt, 20), yt)
        print(f"{name}: clean {res[name][0]:.4f}, under a 20-step attack {res[name][1]:.4f}")
    clean, rob = res["robust"]
    good = clean > 0.95 and rob > 0.8 and rob > res["plain"][1] + 0.1
    print("RESULT " + json.dumps({"metric": "accuracy_under_attack", "value": round(rob, 4), "good": bool(good)}))


if __name__ == "__main__":
    main()
