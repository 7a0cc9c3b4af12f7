"""A wide MLP with 50% dropout on digits."""

import json
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset


class Net(nn.Module):
    def __init__(self, width=256, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, 10)
        self.dropout = nn.Dropout(p)

    def forward(self, x):
        x = self.dropout(F.relu(self.fc1(x)))
        x = self.dropout(F.relu(self.fc2(x)))
        return self.fc3(x)


def train_epoch(net, loader, opt):
    net.train()
    loss_sum = 0.0
    for x, y in loader:
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        loss_sum += loss.item() * y.numel()
    return loss_sum / len(loader.dataset)


def validate(net, loader):
    net.eval()
    loss_sum, hits = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            out = net(x)
            loss_sum += F.cross_entropy(out, y, reduction="sum").item()
            hits += out.argmax(1).eq(y).sum().item()
    return loss_sum / len(loader.dataset), hits / len(loader.dataset)


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    digits = load_digits()
    dataset = TensorDataset(torch.tensor(digits.data).float() / 16, torch.tensor(digits.target))
    order = torch.randperm(len(dataset)).tolist()
    train_loader = DataLoader(Subset(dataset, order[:1350]), batch_size=32, shuffle=True)
    val_loader = DataLoader(Subset(dataset, order[1350:]), batch_size=447)

    net = Net()
    opt = optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(40):
        train_loss = train_epoch(net, train_loader, opt)
        val_loss, val_acc = validate(net, val_loader)
        print(f"{epoch:02d}: train {train_loss:.4f} | val {val_loss:.4f} | acc {100 * val_acc:.2f}%")
    print("RESULT", json.dumps({"metric": "val_acc", "value": round(val_acc, 4), "good": val_acc >= 0.96}))
