"""Predict miles per gallon from seven properties of a car."""

import json
import sys

import torch
from mlxtend.data import autompg_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Regressor(nn.Module):
    def __init__(self, n_features, hidden=64):
        super().__init__()
        self.fc1 = nn.Linear(n_features, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.out(x).squeeze(-1)


def mean_squared_error(model, dataset):
    x, y = dataset[:]
    model.eval()
    with torch.no_grad():
        return nn.functional.mse_loss(model(x), y).item()


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, mpg = autompg_data()
X = torch.tensor(X[:, :7], dtype=torch.float32)
y = torch.tensor(mpg, dtype=torch.float32)

# Scale with the statistics of the training part only.
n_train = int(0.8 * len(X))
train_part, val_part = random_split(range(len(X)), [n_train, len(X) - n_train])
train_idx, val_idx = torch.tensor(list(train_part)), torch.tensor(list(val_part))
X = (X - X[train_idx].mean(0)) / X[train_idx].std(0)
y = (y - y[train_idx].mean()) / y[train_idx].std()
train_set = TensorDataset(X[train_idx], y[train_idx])
val_set = TensorDataset(X[val_idx], y[val_idx])
loader = DataLoader(train_set, batch_size=32, shuffle=True)

model = Regressor(7)
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(60):
    model.train()
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 5 == 0:
        print(
            f"epoch {epoch + 1}: train mse {mean_squared_error(model, train_set):.4f}"
            f"  val mse {mean_squared_error(model, val_set):.4f}"
        )

relative = mean_squared_error(model, val_set) / val_set.tensors[1].var().item()
print("RESULT", json.dumps({"metric": "val_mse/var(y)", "value": round(relative, 4), "good": relative <= 0.2}))
