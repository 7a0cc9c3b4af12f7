import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset


class FolderDataset(Dataset):
    """One folder for each class, read folder by folder."""

    def __init__(self, images, targets):
        self.samples = []
        for cls in np.unique(targets):
            for img in images[targets == cls]:
                self.samples.append((torch.tensor(img, dtype=torch.float32).unsqueeze(0) / 16.0, int(cls)))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.short = nn.Conv2d(cin, cout, 1, stride, bias=False)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.short(x))


train_params = {
    "max_epochs": 8,
    "initial_lr": 0.01,
    "optimizer_params": {"weight_decay": 0.0001, "momentum": 0.9, "nesterov": True},
}
dataloader_params = {"batch_size": 32}

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
digits = load_digits()
perm = np.random.default_rng(seed).permutation(len(digits.target))
images, targets = digits.images[perm], digits.target[perm]
train_loader = DataLoader(FolderDataset(images[:1400], targets[:1400]), **dataloader_params)
valid_loader = DataLoader(FolderDataset(images[1400:], targets[1400:]), batch_size=200)

net = nn.Sequential(BasicBlock(1, 16, 1), BasicBlock(16, 32, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=train_params["initial_lr"], **train_params["optimizer_params"])

for epoch in range(train_params["max_epochs"]):
    net.train()
    running = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item()
    net.eval()
    hits = 0
    with torch.no_grad():
        for x, y in valid_loader:
            hits += (net(x).argmax(1) == y).sum().item()
    acc = hits / len(valid_loader.dataset)
    print(f"epoch {epoch}: train loss {running / len(train_loader):.4f}, valid accuracy {acc:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
