"""Customer churn with an MLP. Trains half way, writes a checkpoint, and resumes from it as after a restart."""
import argparse
import json
import os
import tempfile

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("seed", type=int, nargs="?", default=0)
    p.add_argument("--epochs", type=int, default=16)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--weight-decay", type=float, default=1e-2)
    p.add_argument("--hidden", type=int, default=48)
    return p.parse_args()


def make_customers(n, rng):
    tenure = rng.gamma(2.0, 14.0, n)
    monthly = rng.normal(65, 20, n).clip(15, 130)
    calls = rng.poisson(1.4, n)
    age = rng.normal(45, 14, n).clip(18, 90)
    contract = rng.integers(0, 3, n)
    payment = rng.integers(0, 4, n)
    fibre = rng.random(n) < 0.45
    logit = (0.3 - 0.9 * np.log1p(tenure / 6) + 0.035 * (monthly - 65) * fibre + 0.75 * np.maximum(calls - 1, 0)
             - 1.1 * (contract == 1) - 2.0 * (contract == 2) + 0.7 * (payment == 0)
             + 0.0012 * (age - 45) ** 2)
    prob = 1 / (1 + np.exp(-1.3 * logit))
    y = (rng.random(n) < prob).astype(np.float32)
    num = np.c_[tenure, monthly, calls, age]
    cat = np.c_[np.eye(3)[contract], np.eye(4)[payment], fibre]
    return num, cat, y, prob


def build(args, d):
    model = nn.Sequential(nn.Linear(d, args.hidden), nn.ReLU(), nn.Dropout(0.1),
                          nn.Linear(args.hidden, args.hidden), nn.ReLU(), nn.Dropout(0.1),
                          nn.Linear(args.hidden, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    return model, optimizer, scheduler


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        z = model(x).squeeze(1)
    return nn.functional.binary_cross_entropy_with_logits(z, y).item(), roc_auc_score(y.numpy(), z.numpy())


def fit(model, optimizer, scheduler, loader, val, first, last):
    criterion = nn.BCEWithLogitsLoss()
    for epoch in range(first, last):
        model.train()
        losses = []
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb).squeeze(1), yb)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
        vl, auc = evaluate(model, *val)
        print(f"epoch {epoch + 1:2d}/{last} train {np.mean(losses):.4f} val {vl:.4f} auc {auc:.4f}")


def main():
    args = parse()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    num, cat, y, prob = make_customers(16000, rng)
    idx_train, idx_val = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=args.seed)
    scaler = StandardScaler().fit(num[idx_train])
    x = torch.tensor(np.c_[scaler.transform(num), cat], dtype=torch.float32)
    y = torch.tensor(y)
    val = x[idx_val], y[idx_val]
    loader = DataLoader(TensorDataset(x[idx_train], y[idx_train]), batch_size=args.batch_size, shuffle=True)
    print(f"churn rate {y.mean():.3f}")

    model, optimizer, scheduler = build(args, x.shape[1])
    half = args.epochs // 2
    fit(model, optimizer, scheduler, loader, val, 0, half)
    path = os.path.join(tempfile.mkdtemp(), "churn.pt")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(), "epoch": half}, path)
    del model, optimizer, scheduler

    print("resuming from", os.path.basename(path))
    model, optimizer, scheduler = build(args, x.shape[1])
    ckpt = torch.load(path)
    model.load_state_dict(ckpt["model"])
    optimizer.load_state_dict(ckpt["optimizer"])
    scheduler.load_state_dict(ckpt["scheduler"])
    fit(model, optimizer, scheduler, loader, val, ckpt["epoch"], args.epochs)
    os.remove(path)

    _, auc = evaluate(model, *val)
    best = roc_auc_score(y[idx_val].numpy(), prob[idx_val])
    print(f"AUC of the true probabilities: {best:.4f}")
    print("RESULT", json.dumps({"val_auc": round(auc, 4), "good": bool(auc > best - 0.012)}))


if __name__ == "__main__":
    main()
