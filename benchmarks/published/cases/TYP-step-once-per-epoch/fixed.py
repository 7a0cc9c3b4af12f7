import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_moons
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = make_moons(1000, noise=0.15, random_state=1)
X, y = torch.from_numpy(X).float(), torch.from_numpy(y).long()
train_loader = DataLoader(TensorDataset(X[:800], y[:800]), batch_size=32, shuffle=True)

net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()

num_epochs = 30
for epoch in range(num_epochs):
    total_loss = 0
    for inputs, targets in train_loader:
        outputs = net(inputs)
        loss = criterion(outputs, targets)
        total_loss += loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("Epoch {}/{} loss {:.4f}".format(epoch + 1, num_epochs, total_loss / len(train_loader)))

with torch.no_grad():
    acc = (net(X[800:]).argmax(dim=1) == y[800:]).float().mean().item()
print("Test accuracy:", acc)
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
