"""Classify MNIST-1D sequences with an LSTM."""

import json
import sys

import torch
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LSTMClassifier(nn.Module):
    def __init__(self, hidden=64, classes=10):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.head(out[:, -1])


def make_loaders(seed):
    args = get_dataset_args()
    args.seed = seed
    data = make_dataset(args)
    sets = []
    for x, y in ((data["x"], data["y"]), (data["x_test"], data["y_test"])):
        sets.append(TensorDataset(torch.tensor(x, dtype=torch.float32).unsqueeze(-1), torch.tensor(y)))
    return DataLoader(sets[0], batch_size=64, shuffle=True), DataLoader(sets[1], batch_size=500)


def train(model, loader, optimizer, loss_fn):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(x)
    return total / len(loader.dataset)


def test(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(loader.dataset)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    train_loader, test_loader = make_loaders(seed)
    model = LSTMClassifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(1, 17):
        loss = train(model, train_loader, optimizer, loss_fn)
        acc = test(model, test_loader)
        print(f"epoch {epoch:2d} | loss {loss:.4f} | test acc {acc:.4f}")
    print("RESULT", json.dumps({"metric": "test_acc", "value": round(acc, 4), "good": acc >= 0.5}))


if __name__ == "__main__":
    main()
