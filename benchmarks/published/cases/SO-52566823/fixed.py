import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_regression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_regression(n_samples=1000, n_features=5, random_state=seed)
y = y.reshape(-1, 1)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
y_scaler = StandardScaler().fit(y_train)
y_train = y_scaler.transform(y_train)
X_train = torch.tensor(X_train, dtype=torch.float32)
y_train = torch.tensor(y_train, dtype=torch.float32)
X_test = torch.tensor(X_test, dtype=torch.float32)


class ThreeLayers(nn.Module):
    def __init__(self):
        super(ThreeLayers, self).__init__()
        self.fc1 = nn.Linear(5, 5)
        self.fc2 = nn.Linear(5, 4)
        self.fc3 = nn.Linear(4, 1)

    def forward(self, x):
        x = torch.sigmoid(self.fc1(x))
        x = torch.sigmoid(self.fc2(x))
        return self.fc3(x)


model = ThreeLayers()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.MSELoss()

for epoch in range(100):
    idx = np.random.RandomState(seed + epoch).permutation(len(X_train))
    for j in range(0, len(idx), 32):
        b = idx[j:j + 32]
        optimizer.zero_grad()
        loss = criterion(model(X_train[b]), y_train[b])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print("Epoch: {} Loss: {:.4f}".format(epoch + 1, loss.item()))

model.eval()
with torch.no_grad():
    pred = model(X_test).numpy()
pred = y_scaler.inverse_transform(pred)
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(float(((pred - y_test) ** 2).mean() / y_test.var()), 6)}))
