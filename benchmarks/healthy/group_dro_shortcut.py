"""ERM against group DRO where a shortcut feature agrees with the label in 95% of the training rows."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
torch.set_num_threads(1)
rng = np.random.default_rng(SEED)

D, WIDE, AGREE = 5, 1.8, 0.95


def rows(n, agree):
    """Label 1: the five core features are wider.  Shortcut: two features shifted by the place."""
    y = rng.integers(0, 2, n)
    place = np.where(rng.random(n) < agree, y, 1 - y)
    core = rng.normal(size=(n, D)) * np.where(y == 1, WIDE, 1.0)[:, None]
    short = rng.normal(size=(n, 2)) * 0.5 + (2 * place - 1)[:, None]
    to = lambda a, d: torch.as_tensor(a, dtype=d)
    return (to(np.c_[core, short], torch.float32), to(y, torch.float32), to(2 * y + place, torch.long))


def shortcut_free_bayes():
    """Accuracy by class of the likelihood-ratio rule on the core features alone, equal priors."""
    cut = 2 * D * np.log(WIDE) / (1 - WIDE ** -2)
    r2 = (rng.normal(size=(400000, D)) ** 2).sum(1)
    return float((r2 < cut).mean()), float((r2 * WIDE ** 2 > cut).mean())


def network():
    return nn.Sequential(nn.Linear(D + 2, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))


def group_accuracy(net, data):
    x, y, g = data
    with torch.no_grad():
        ok = ((net(x).squeeze(1) > 0).float() == y).float()
    return [ok[g == k].mean().item() for k in range(4)]


def fit(name, robust, train, held, epochs=15, lr=1e-3):
    net = network()
    opt = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=1e-2)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    x, y, g = train
    weight = torch.full((4,), 0.25)
    # DRO draws the four groups equally often, so that each batch has an estimate for each
    p = (1.0 / torch.bincount(g, minlength=4).float())[g] if robust else torch.ones(len(y))
    for epoch in range(epochs):
        order = torch.multinomial(p, len(y), replacement=robust)
        total, right = 0.0, 0.0
        for idx in order.split(256):
            out = net(x[idx]).squeeze(1)
            each = F.binary_cross_entropy_with_logits(out, y[idx], reduction="none")
            if robust:
                size = torch.bincount(g[idx], minlength=4).clamp(min=1)
                by_group = torch.zeros(4).index_add(0, g[idx], each) / size
                weight = weight * torch.exp(0.01 * by_group.detach())
                weight = weight / weight.sum()
                loss = (weight * by_group).sum()
            else:
                loss = each.mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() * len(idx)
            right += ((out > 0).float() == y[idx]).sum().item()
        sched.step()
        if epoch % 3 == 2:
            acc = group_accuracy(net, held)
            print(f"{name:4s} epoch {epoch + 1:2d} loss {total / len(y):.4f} batch accuracy {right / len(y):.3f} "
                  f"validation groups {[round(a, 3) for a in acc]}"
                  + (f" weights {[round(w, 3) for w in weight.tolist()]}" if robust else ""))
    return net


train, held, test = rows(40000, AGREE), rows(8000, 0.5), rows(20000, 0.5)
bayes0, bayes1 = shortcut_free_bayes()
erm = fit("ERM", False, train, held)
dro = fit("DRO", True, train, held)
acc_erm, acc_dro = group_accuracy(erm, test), group_accuracy(dro, test)
print(f"test, worst group: ERM {min(acc_erm):.3f}, DRO {min(acc_dro):.3f}; core-only Bayes rule {min(bayes0, bayes1):.3f}")
print(f"test, mean of groups: ERM {np.mean(acc_erm):.3f}, DRO {np.mean(acc_dro):.3f}; "
      f"core-only Bayes rule {(bayes0 + bayes1) / 2:.3f}")
good = (min(acc_dro) > min(bayes0, bayes1) - 0.02 and np.mean(acc_dro) > (bayes0 + bayes1) / 2 - 0.02
        and min(acc_dro) > min(acc_erm) + 0.1)
print("RESULT " + json.dumps({"metric": "dro_worst_group_accuracy", "value": round(min(acc_dro), 4), "good": bool(good)}))
