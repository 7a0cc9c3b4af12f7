import json, sys
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)

learning_rate = 0.05
num_epochs = 6
batch_size = 64


def smooth(a):
    for _ in range(2):
        a = (a + np.roll(a, 1, -1) + np.roll(a, -1, -1) + np.roll(a, 1, -2) + np.roll(a, -1, -2)) / 5
    return a


rng = np.random.RandomState(seed)
templates = smooth(rng.randn(10, 3, 16, 16))
templates /= templates.std((1, 2, 3), keepdims=True)


def make_images(n):
    y = rng.randint(0, 10, n)
    x = np.empty((n, 3, 16, 16), dtype=np.float32)
    for i in range(n):
        img = np.roll(templates[y[i]], (rng.randint(-1, 2), rng.randint(-1, 2)), (1, 2))
        x[i] = img + 1.2 * rng.randn(3, 16, 16)
    return TensorDataset(torch.tensor(x / 1.56), torch.tensor(y))


train_loader = DataLoader(make_images(4000), batch_size=batch_size, shuffle=True)
val_loader = DataLoader(make_images(1000), batch_size=250)
test_loader = DataLoader(make_images(1500), batch_size=250)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 5, padding=2)
        self.conv2 = nn.Conv2d(12, 24, 5, padding=2)
        self.fc1 = nn.Linear(24 * 4 * 4, 96)
        self.fc2 = nn.Linear(96, 48)
        self.fc3 = nn.Linear(48, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def test(model, loader):
    model.eval()
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            loss += F.cross_entropy(out, y, reduction="sum").item()
            correct += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss / n, correct / n


model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)

for epoch in range(num_epochs):
    model.train()
    total = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    vl, va = test(model, val_loader)
    print(f"epoch {epoch} loss = {total / len(train_loader)} val loss {vl:.4f} val acc {va:.4f}")

print("RESULT " + json.dumps({"metric": "score", "value": test(model, test_loader)[1]}))
