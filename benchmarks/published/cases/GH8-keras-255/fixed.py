import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

SIZE = 32


def screenshot(enemy):
    img = np.random.randint(60, 110, size=(3, SIZE, SIZE)).astype("float32")
    img[:, :14] += 60
    img[:, 24:, 20:27] = np.random.randint(20, 50, size=(3, 1, 1))
    if enemy:
        r, c = np.random.randint(10, 18), np.random.randint(2, 24)
        img[0, r:r + 7, c:c + 4] = np.random.randint(170, 230)
        img[1:, r:r + 7, c:c + 4] = np.random.randint(30, 80)
    return img.clip(0, 250)


def load_data(n):
    data = np.empty((n, 3, SIZE, SIZE), dtype="float32")
    label = np.empty((n,), dtype="int64")
    for i in range(n):
        label[i] = i % 2
        data[i] = screenshot(label[i]) / 255.0
    return torch.from_numpy(data).float(), torch.from_numpy(label)


X_train, y_train = load_data(600)
X_val, y_val = load_data(200)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 8 * 8, 64)
        self.drop = nn.Dropout(0.25)
        self.fc2 = nn.Linear(64, 2)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.drop(torch.tanh(self.fc1(x.flatten(1))))
        return self.fc2(x)


model = ConvNet()
sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)

for epoch in range(12):
    model.train()
    order = torch.randperm(len(X_train))
    total, hits = 0.0, 0
    for i in range(0, len(order), 32):
        xb, yb = X_train[order[i:i + 32]], y_train[order[i:i + 32]]
        out = model(xb)
        loss = F.cross_entropy(out, yb)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        total += loss.item() * len(xb)
        hits += (out.argmax(1) == yb).sum().item()
    model.eval()
    with torch.no_grad():
        val_acc = (model(X_val).argmax(1) == y_val).float().mean().item()
    print(f"epoch {epoch + 1} loss {total / len(order):.4f} acc {hits / len(order):.4f} val acc {val_acc:.4f}")

print("RESULT", json.dumps({"metric": "val_accuracy", "value": val_acc}))
