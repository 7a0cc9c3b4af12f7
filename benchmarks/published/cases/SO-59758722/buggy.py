import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_regression

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_regression(n_samples=1000, n_features=4, random_state=seed)
y = y.reshape(-1, 1)
n_train = 800
X_train = torch.FloatTensor(X[:n_train])
y_train = torch.FloatTensor(y[:n_train])
X_test = torch.FloatTensor(X[n_train:])
y_test = y[n_train:]


class MLP(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.fc1(x))
        x = self.relu(self.fc2(x))
        x = self.relu(self.fc3(x))
        return x


def train(model, epochs, batch_size):
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.001, alpha=0.9, eps=1e-7)
    criterion = nn.MSELoss()
    for epoch in range(epochs):
        perm = torch.randperm(n_train)
        total = 0
        for start in range(0, n_train, batch_size):
            idx = perm[start:start + batch_size]
            loss = criterion(model(X_train[idx]), y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
        print(f"Epoch {epoch + 1}/{epochs} - loss: {total / n_train:.4f}")


model = MLP(4, 30)
train(model, epochs=13, batch_size=128)

with torch.no_grad():
    pred = model(X_test).numpy()
nmse = float(((pred - y_test) ** 2).mean() / y_test.var())
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(nmse, 6)}))
