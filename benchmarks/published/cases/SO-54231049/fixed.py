import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_regression
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense1 = nn.Linear(7, 64)
        self.dense2 = nn.Linear(64, 64)
        self.dropout = nn.Dropout(0.3)
        self.dense3 = nn.Linear(64, 32)
        self.out = nn.Linear(32, 1)
        self.act = nn.ReLU()
        for layer in (self.dense1, self.dense2, self.dense3, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = self.act(self.dense1(x))
        x = self.act(self.dense2(x))
        x = self.dropout(x)
        x = self.act(self.dense3(x))
        return self.out(x)


X, y = make_regression(n_samples=1000, n_features=7, random_state=seed)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).view(-1, 1)
y_mean, y_std = y[:800].mean(), y[:800].std()
train_dl = DataLoader(TensorDataset(X[:800], y[:800]), batch_size=128, shuffle=True)
X_test, y_test = X[800:], y[800:]

model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
mse = nn.MSELoss()

for epoch in range(50):
    model.train()
    for xb, yb in train_dl:
        loss = mse(model(xb), (yb - y_mean) / y_std)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"[{epoch:3d}] loss = {loss.item():.3f}")

model.eval()
with torch.no_grad():
    pred = model(X_test) * y_std + y_mean
    result = (mse(pred, y_test) / y_test.var(unbiased=False)).item()
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(result, 6)}))
