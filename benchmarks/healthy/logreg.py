"""Logistic regression on the breast cancer data."""

import argparse
import json

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def load(seed):
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(X_train)
    arrays = scaler.transform(X_train), y_train, scaler.transform(X_val), y_val
    return [torch.as_tensor(a, dtype=torch.float32) for a in arrays]


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        logits = model(x).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, y)
        accuracy = ((logits > 0) == y.bool()).float().mean()
    return loss.item(), accuracy.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=32)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    x, y, x_val, y_val = load(args.seed)
    model = torch.nn.Linear(30, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    for epoch in range(args.epochs):
        model.train()
        for idx in torch.randperm(len(x)).split(args.batch_size):
            loss = F.binary_cross_entropy_with_logits(model(x[idx]).squeeze(1), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        val_loss, val_acc = evaluate(model, x_val, y_val)
        print(f"epoch {epoch:2d}  val loss {val_loss:.4f}  val acc {val_acc:.4f}")

    print("RESULT", json.dumps({"metric": "val_acc", "value": round(val_acc, 4), "good": val_acc >= 0.95}))


if __name__ == "__main__":
    main()
