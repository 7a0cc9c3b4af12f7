import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

iris = load_iris()
X_train, X_test, y_train, y_test = train_test_split(
    iris.data.astype("float32"), iris.target, test_size=0.3, stratify=iris.target, random_state=seed)
X_train, X_test = torch.from_numpy(X_train), torch.from_numpy(X_test)
y_train, y_test = torch.from_numpy(y_train), torch.from_numpy(y_test)

sizes = [4, 200, 100, 60, 32, 16, 9]
layers = []
for n_in, n_out in zip(sizes, sizes[1:]):
    dense = nn.Linear(n_in, n_out)
    nn.init.xavier_uniform_(dense.weight)
    nn.init.zeros_(dense.bias)
    layers += [dense, nn.Tanh()]
model = nn.Sequential(*layers, nn.Linear(9, 3), nn.LogSoftmax(dim=1))

EPOCHS = 1
optimizer = torch.optim.Adam(model.parameters())
criterion = nn.NLLLoss()
loader = DataLoader(TensorDataset(X_train, y_train), batch_size=32, shuffle=True)
for epoch in range(EPOCHS):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    print("epoch", epoch + 1, "loss", loss.item())

with torch.no_grad():
    accuracy = (model(X_test).argmax(1) == y_test).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
