import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

L2 = 0.01


class LeNetLike(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 3)
        self.dense = nn.ModuleList([nn.Linear(64, 128)] + [nn.Linear(128 if i == 0 else 64, 64) for i in range(3)])
        self.out = nn.Linear(64, 2)
        self.dropout = nn.Dropout(0.2)
        for conv in (self.conv1, self.conv2, self.out):
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)
        for dense in self.dense:
            nn.init.uniform_(dense.weight, -0.05, 0.05)
            nn.init.zeros_(dense.bias)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        for dense in self.dense:
            x = self.dropout(F.relu(dense(x)))
        return self.out(x)

    def penalty(self):
        return L2 * sum((dense.weight ** 2).sum() for dense in self.dense)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    templates = torch.randn(2, 3, 16, 16)
    y = torch.randint(2, (1000,))
    x = 0.35 * templates[y] + torch.randn(1000, 3, 16, 16)
    loader = DataLoader(TensorDataset(x[:700], y[:700]), batch_size=32, shuffle=True)

    model = LeNetLike()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(8):
        model.train()
        for xb, yb in loader:
            ce = F.cross_entropy(model(xb), yb)
            loss = ce + model.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            acc = (model(x[700:]).argmax(1) == y[700:]).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f} (ce {ce.item():.4f}) val acc {acc:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


if __name__ == "__main__":
    main()
