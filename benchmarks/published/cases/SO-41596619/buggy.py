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
y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
x_train, y_train, x_test, y_test = X[:400], y[:400], X[400:], y[400:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 16)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        return torch.sigmoid(self.out(F.relu(self.hidden(x))))


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.001)


def criterion(out, target):
    out = out.clamp(1e-7, 1 - 1e-7)
    return -(target * out.log() + (1 - target) * (1 - out).log()).mean()


for epoch in range(40):
    for rows in torch.randperm(400).split(32):
        loss = criterion(net(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    predicted = net(x_test).round()
    accuracy = (predicted == y_test).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
