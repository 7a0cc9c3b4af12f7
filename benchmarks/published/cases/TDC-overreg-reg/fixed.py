import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import autompg_data

LAMBDA = 1e-5
EPOCHS = 60

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

data, mpg = autompg_data()
data = np.column_stack([data[:, :6]] + [data[:, 6] == k for k in (1, 2, 3)]).astype(np.float32)
data = (data - data.mean(axis=0)) / data.std(axis=0)
mpg = mpg.astype(np.float32)
mu, sigma = mpg.mean(), mpg.std()
perm = np.random.permutation(len(mpg))
x_train, x_test = torch.from_numpy(data[perm[:314]]), torch.from_numpy(data[perm[314:]])
y_train = torch.from_numpy((mpg[perm[:314]] - mu) / sigma)
y_test = mpg[perm[314:]]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(9, 64)
        self.l2 = nn.Linear(64, 64)
        self.l3 = nn.Linear(64, 1)
        for l in [self.l1, self.l2, self.l3]:
            nn.init.kaiming_normal_(l.weight)
            nn.init.zeros_(l.bias)

    def forward(self, x):
        return self.l3(F.relu(self.l2(F.relu(self.l1(x))))).squeeze(-1)

    def l2_norm(self):
        return sum(l.weight.pow(2).sum() for l in [self.l1, self.l2, self.l3])


net = Net()
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(EPOCHS):
    order = np.random.permutation(len(x_train))
    for start in range(0, len(order), 32):
        rows = order[start:start + 32]
        mse = F.mse_loss(net(x_train[rows]), y_train[rows])
        loss = mse + LAMBDA * net.l2_norm()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 10 == 0:
        print("Epoch %d: mse %.4f, loss %.4f" % (epoch + 1, mse.item(), loss.item()))

with torch.no_grad():
    pred = net(x_test).numpy() * sigma + mu
print("mae: %.3f mpg" % np.abs(pred - y_test).mean())
value = float(np.mean((pred - y_test) ** 2) / y_test.var())
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
