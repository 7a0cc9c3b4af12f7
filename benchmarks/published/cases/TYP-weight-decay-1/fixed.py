import argparse
import json

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def get_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--wd", type=float, default=1e-4)
    return parser.parse_args()


def main():
    args = get_args()
    torch.manual_seed(args.seed)
    X, y = load_breast_cancer(return_X_y=True)
    perm = torch.randperm(len(X)).numpy()
    X, y = X[perm], y[perm]
    scaler = StandardScaler().fit(X[:400])
    X = torch.tensor(scaler.transform(X)).float()
    y = torch.tensor(y).float()
    train = DataLoader(TensorDataset(X[:400], y[:400]), batch_size=20, shuffle=True)
    model = nn.Sequential(nn.Linear(30, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 1))
    opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=args.wd)
    loss_fn = nn.BCEWithLogitsLoss()
    for epoch in range(args.epochs):
        model.train()
        for xb, yb in train:
            opt.zero_grad()
            loss = loss_fn(model(xb).squeeze(-1), yb)
            loss.backward()
            opt.step()
        model.eval()
        with torch.inference_mode():
            logits = model(X[400:]).squeeze(-1)
            val_loss = loss_fn(logits, y[400:]).item()
            preds = (torch.sigmoid(logits) > 0.5).float()
            acc = (preds == y[400:]).float().mean().item()
        print(f"{epoch}: val_loss={val_loss:.4f} acc={acc:.4f}")
    print("RESULT", json.dumps({"metric": "bce", "value": val_loss}))


if __name__ == "__main__":
    main()
