import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

T, CH, CLASSES = 64, 9, 6
mix = np.random.RandomState(7).randn(CLASSES, CH)
freq = np.array([1.5, 1.9, 2.3, 0.4, 0.5, 0.6])


def load(n):
    y = np.random.randint(0, CLASSES, n)
    t = np.linspace(0, 4, T)
    x = np.zeros((n, CH, 1, T), dtype="float32")
    for i, c in enumerate(y):
        f = freq[c] * np.random.uniform(0.9, 1.1)
        phase = np.random.uniform(0, 2 * np.pi, CH)
        amp = (0.5 + 0.5 * np.abs(mix[c])) * np.random.uniform(0.7, 1.3)
        x[i, :, 0] = amp[:, None] * np.sin(2 * np.pi * f * t + phase[:, None]) + 0.15 * mix[c][:, None]
    x += 0.8 * np.random.randn(*x.shape)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


train_x, train_y = load(1600)
test_x, test_y = load(500)
mean, std = train_x.mean((0, 2, 3), keepdim=True), train_x.std((0, 2, 3), keepdim=True)
train_loader = DataLoader(TensorDataset((train_x - mean) / std, train_y), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset((test_x - mean) / std, test_y), batch_size=64)


class Network(nn.Module):
    def __init__(self):
        super(Network, self).__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(CH, 32, kernel_size=(1, 9)), nn.ReLU(), nn.MaxPool2d((1, 2), stride=2))
        self.conv2 = nn.Sequential(nn.Conv2d(32, 64, kernel_size=(1, 9)), nn.ReLU(), nn.MaxPool2d((1, 2), stride=2))
        self.fc1 = nn.Sequential(nn.Linear(64 * 10, 200), nn.ReLU())
        self.fc2 = nn.Sequential(nn.Linear(200, 100), nn.ReLU())
        self.fc3 = nn.Linear(100, CLASSES)

    def forward(self, x):
        out = self.conv1(x)
        out = self.conv2(out)
        out = out.reshape(-1, 64 * 10)
        out = self.fc1(out)
        out = self.fc2(out)
        out = self.fc3(out)
        return out


model = Network()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
criterion = nn.CrossEntropyLoss()


def test():
    model.eval()
    correct = 0
    with torch.no_grad():
        for sample, target in test_loader:
            correct += (model(sample).argmax(1) == target).sum().item()
    return correct / len(test_y)


for e in range(8):
    model.train()
    correct, total_loss = 0, 0.0
    for sample, target in train_loader:
        output = model(sample)
        loss = criterion(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(target)
        correct += (output.argmax(1) == target).sum().item()
    print(f"Epoch: [{e + 1}/8], loss {total_loss / 1600:.4f}, train acc: {correct / 16:.2f}%, test acc: {100 * test():.2f}%")

print("RESULT", json.dumps({"metric": "test_accuracy", "value": test()}))
