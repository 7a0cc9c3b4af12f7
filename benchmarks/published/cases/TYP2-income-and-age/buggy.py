import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

# customers: age, yearly income, number of orders, share of returns, balance of the account
n = 1500
age = rng.uniform(18, 80, n)
income = rng.lognormal(10.5, 0.5, n)
orders = rng.poisson(6, n)
returns = rng.beta(2, 8, n)
balance = rng.normal(0, 20000, n)
X = np.column_stack([age, income, orders, returns, balance])
score = (0.5 * np.sin(age / 12) + 0.8 * np.log(income / 36000) + 0.25 * (orders - 6)
         - 4 * (returns - 0.2) + 0.4 * np.tanh(balance / 20000))
y = score + 0.1 * rng.normal(size=n)

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=300, random_state=seed)
X_train, X_test, y_train, y_test = [torch.tensor(a, dtype=torch.float32) for a in (X_train, X_test, y_train, y_test)]

model = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
mse = nn.MSELoss()

for epoch in range(30):
    order = torch.randperm(len(X_train))
    for b in order.split(32):
        optimizer.zero_grad()
        loss = mse(model(X_train[b]).squeeze(1), y_train[b])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            print(epoch + 1, loss.item(), mse(model(X_test).squeeze(1), y_test).item())

with torch.no_grad():
    value = mse(model(X_test).squeeze(1), y_test).item() / y_test.var().item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
