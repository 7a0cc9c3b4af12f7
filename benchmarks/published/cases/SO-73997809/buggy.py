import json
import sys

import numpy as np
import torch
from sklearn.datasets import make_regression
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

features, target = make_regression(n_samples=300, n_features=14, random_state=seed)
x_train = torch.tensor(features[:100], dtype=torch.float32)
y_train = torch.tensor(target[:100], dtype=torch.float32)
x_test = torch.tensor(features[100:], dtype=torch.float32)
y_test = torch.tensor(target[100:], dtype=torch.float32)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden1 = nn.Linear(14, 128)
        self.hidden2 = nn.Linear(128, 128)
        self.output = nn.Linear(128, 1)

    def forward(self, x):
        x = self.hidden1(x).relu()
        x = self.hidden2(x).relu()
        return self.output(x).relu()


net = Network()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)

history = []
for epoch in range(100):
    order = np.random.permutation(100)
    squared = 0.0
    for i in range(0, 100, 14):
        rows = order[i:i + 14]
        error = net(x_train[rows]).squeeze(-1) - y_train[rows]
        loss = (error ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        squared += (error ** 2).sum().item()
    history.append(squared / 100)
    if (epoch + 1) % 20 == 0:
        print("epoch", epoch + 1, "mse", round(history[-1], 2))

with torch.no_grad():
    residual = net(x_test).squeeze(-1) - y_test
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(((residual ** 2).mean() / y_test.var(unbiased=False)).item(), 6)}))
