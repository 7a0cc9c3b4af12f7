import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class Inception(nn.Module):
    def __init__(self, c, o):
        super().__init__()
        self.b1 = nn.Conv2d(c, o, 1)
        self.b3 = nn.Conv2d(c, o, 3, padding=1)
        self.bp = nn.Conv2d(c, o, 1)

    def forward(self, x):
        pooled = F.max_pool2d(x, 3, 1, 1)
        return F.relu(torch.cat([self.b1(x), self.b3(x), self.bp(pooled)], 1))


digits = load_digits()
x = torch.tensor(digits.images / 16, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(digits.target)
idx = torch.randperm(len(y))
train_idx, test_idx = idx[:1200], idx[1200:]
model = nn.Sequential(Inception(1, 6), nn.MaxPool2d(2), Inception(18, 8), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-8)
for epoch in range(10):
    model.train()
    for b in train_idx[torch.randperm(1200)].split(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[b]), y[b])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(x[test_idx]).argmax(1) == y[test_idx]).float().mean().item()
    print("epoch", epoch, "loss", round(loss.item(), 4), "acc", round(acc, 4))
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
