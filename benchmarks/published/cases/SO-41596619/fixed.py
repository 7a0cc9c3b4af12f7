import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_blobs

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# three measurements, four kinds of product
X, y = make_blobs(600, n_features=3, centers=4, cluster_std=1.5, random_state=seed)
X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
y = torch.tensor(y)
x_train, y_train, x_test, y_test = X[:400], y[:400], X[400:], y[400:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 16)
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        return self.out(F.relu(self.hidden(x)))


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)


def criterion(out, target):
    return F.cross_entropy(out, target)


for epoch in range(40):
    for rows in torch.randperm(400).split(32):
        loss = criterion(net(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    predicted = net(x_test).argmax(1)
    accuracy = (predicted == y_test).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
