import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class WineNet(nn.Module):
    def __init__(self):
        super(WineNet, self).__init__()
        self.l1 = nn.Linear(13, 32)
        self.l2 = nn.Linear(32, 3)

    def forward(self, x):
        x = F.relu(self.l1(x))
        x = self.l2(x)
        return F.log_softmax(x, dim=1)


X, y = load_wine(return_X_y=True)
X = scale(X).astype(np.float32)
order = torch.randperm(len(X)).numpy()
X, y = X[order], y[order]
train_set = TensorDataset(torch.from_numpy(X[:120]), torch.from_numpy(y[:120]))
test_set = TensorDataset(torch.from_numpy(X[120:]), torch.from_numpy(y[120:]))
train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
test_loader = DataLoader(test_set, batch_size=1)

net = WineNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(1, 31):
    for data, target in train_loader:
        optimizer.zero_grad()
        output = net(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        correct = 0
        with torch.no_grad():
            for data, target in test_loader:
                pred = net(data).argmax(dim=1, keepdim=True)
                correct += pred.eq(target.view_as(pred)).sum().item()
        print(f"Epoch {epoch}: loss {loss.item():.4f}, test accuracy {correct / len(test_set):.3f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": correct / len(test_set)}))
