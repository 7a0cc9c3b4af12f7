import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(in_features=1, out_features=50, bias=True)
        self.fc2 = nn.Linear(in_features=50, out_features=1, bias=True)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        return self.fc2(x)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

data = torch.arange(1, 4000).float().unsqueeze(1)
target = data ** 3
perm = torch.randperm(len(data))
train_idx, test_idx = perm[:3200], perm[3200:]

x_mean, x_std = data[train_idx].mean(), data[train_idx].std()
y_mean, y_std = target[train_idx].mean(), target[train_idx].std()
x, y = (data - x_mean) / x_std, (target - y_mean) / y_std
x_train, y_train = x[train_idx], y[train_idx]

model = Network()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.MSELoss()

for epoch in range(3000):
    optimizer.zero_grad()
    out = model(x_train)
    loss = criterion(out, y_train)
    loss.backward()
    optimizer.step()
    if epoch % 250 == 0:
        print('Epoch {}, loss {}, max. pred val {}'.format(epoch, loss.item(), out.max().item()))

with torch.no_grad():
    pred = model(x[test_idx]) * y_std + y_mean
    rmse = (pred - target[test_idx]).pow(2).mean().sqrt() / target[test_idx].std()
print("RESULT", json.dumps({"metric": "relative_rmse", "value": rmse.item()}))
