import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class BasicBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.short = nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.short(x))


class TinyResNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.layer1 = BasicBlock(8, 16, 2)
        self.layer2 = BasicBlock(16, 32, 2)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x)))
        return self.fc(self.drop(x.mean(dim=(2, 3))))


def images(n, templates):
    y = torch.randint(10, (n,))
    return templates[y] + 0.8 * torch.randn(n, 3, 12, 12), y


def train(model, loader, optimizer, criterion):
    model.train()
    correct = total = 0
    for x, y in loader:
        optimizer.zero_grad()
        out = model(x)
        loss = criterion(out, y)
        loss.backward()
        optimizer.step()
        correct += (out.argmax(1) == y).sum().item()
        total += len(y)
    return loss.item(), correct / total


def test(model, loader):
    correct = total = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(1) == y).sum().item()
            total += len(y)
    return correct / total


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    templates = torch.randn(10, 3, 12, 12)
    train_loader = DataLoader(TensorDataset(*images(800, templates)), batch_size=32, shuffle=True)
    test_loader = DataLoader(TensorDataset(*images(200, templates)), batch_size=1)
    model = TinyResNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(5):
        loss, train_acc = train(model, train_loader, optimizer, criterion)
        test_acc = test(model, test_loader)
        print(f"Epoch {epoch}  loss {loss:.3f}  train acc {train_acc:.3f}  test acc {test_acc:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": test_acc}))
