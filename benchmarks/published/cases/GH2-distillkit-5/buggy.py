import argparse
import json

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("seed", nargs="?", type=int, default=0)
    p.add_argument("--lr", type=float, default=0.2)
    p.add_argument("--micro-batch", type=int, default=8)
    p.add_argument("--accumulate", type=int, default=16)
    p.add_argument("--epochs", type=int, default=10)
    return p.parse_args()


def main():
    args = get_args()
    torch.manual_seed(args.seed)
    d = load_digits()
    data = TensorDataset(torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target))
    train, test = random_split(data, [1408, len(data) - 1408])
    loader = DataLoader(train, args.micro_batch, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        model.train()
        optimizer.zero_grad()
        for step, (x, y) in enumerate(loader, start=1):
            loss = criterion(model(x), y)
            loss.backward()
            if step % args.accumulate == 0:
                optimizer.step()
                optimizer.zero_grad()
        model.eval()
        with torch.no_grad():
            x, y = next(iter(DataLoader(test, len(test))))
            acc = (model(x).argmax(1) == y).float().mean().item()
        print({"epoch": epoch, "loss": round(loss.item(), 4), "accuracy": round(acc, 4)})
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


if __name__ == "__main__":
    main()
