import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

digits = load_digits()
order = np.random.permutation(len(digits.target))
x = torch.tensor(digits.data[order] / 16.0, dtype=torch.float32)
y = torch.tensor(digits.target[order])
train_loader = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=32, shuffle=True)
test_x, test_y = x[1200:], y[1200:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, 10)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def train(model, optimizer, epochs, title):
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for data, target in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(data), target)
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"{title} epoch {epoch}: loss {total / len(train_loader):.4f} acc {evaluate(model):.4f}")


def evaluate(model):
    model.eval()
    with torch.no_grad():
        return (model(test_x).argmax(1) == test_y).float().mean().item()


def smaller(layer, rows=None, cols=None):
    weight, bias = layer.weight.data, layer.bias.data
    if rows is not None:
        weight, bias = weight[rows], bias[rows]
    if cols is not None:
        weight = weight[:, cols]
    new = nn.Linear(weight.shape[1], weight.shape[0])
    new.weight.data.copy_(weight)
    new.bias.data.copy_(bias)
    return new


def speedup_model(model, sparsity):
    keep1 = model.fc1.weight.data.abs().sum(1).topk(int(256 * (1 - sparsity))).indices
    keep2 = model.fc2.weight.data.abs().sum(1).topk(int(128 * (1 - sparsity))).indices
    model.fc1 = smaller(model.fc1, rows=keep1)
    model.fc2 = smaller(model.fc2, rows=keep2, cols=keep1)
    model.fc3 = smaller(model.fc3, cols=keep2)


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
train(model, optimizer, 8, "pretrain")

speedup_model(model, sparsity=0.9)
print("pruned:", evaluate(model))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
train(model, optimizer, 12, "finetune")

print("RESULT", json.dumps({"metric": "accuracy", "value": evaluate(model)}))
