# predict the price of a used car
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import autompg_data
from sklearn.preprocessing import MinMaxScaler
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

cars, mpg = autompg_data()
features = cars[:, 1:6]
price = 2000 + 60 * cars[:, 2] + 1.5 * cars[:, 3] + 250 * (cars[:, 5] - 70) - 40 * mpg + rng.normal(0, 300, len(mpg))
perm = rng.permutation(len(price))
train, test = perm[:310], perm[310:]

X = torch.tensor(MinMaxScaler().fit(features[train]).transform(features), dtype=torch.float32)
mean, std = price[train].mean(), price[train].std()
y = torch.tensor((price - mean) / std, dtype=torch.float32).view(-1, 1)

model = nn.Sequential(
    nn.Linear(5, 12),
    nn.ReLU(),
    nn.Linear(12, 8),
    nn.ReLU(),
    nn.Linear(8, 1),
)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
loader = DataLoader(TensorDataset(X[train], y[train]), batch_size=50, shuffle=True)
for epoch in range(150):
    for xb, yb in loader:
        loss = criterion(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 25 == 0:
        print("Epoch", epoch, "loss", loss.item())

with torch.no_grad():
    predicted = model(X[test]).squeeze(1).numpy() * std + mean
value = float(np.mean((predicted - price[test]) ** 2) / np.var(price[test]))
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
