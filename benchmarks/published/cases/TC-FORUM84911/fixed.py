"""Fine-tune a small pretrained CNN on all ten digits."""
import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class Backbone(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        )
        self._fc = nn.Linear(128, n_classes)

    def forward(self, x):
        return self._fc(self.features(x))


def fit(model, optimizer, loader, epochs, title):
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"{title} epoch {epoch}: {total / len(loader):.4f}")


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
digits = load_digits()
x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
y = torch.tensor(digits.target)
perm = torch.randperm(len(x))
x, y = x[perm], y[perm]

# "pretrained" weights: digits 0-4 only
old = (y[:600] < 5).nonzero().squeeze(1)
model = Backbone(5)
fit(model, torch.optim.Adam(model.parameters(), lr=2e-3),
    DataLoader(TensorDataset(x[old], y[old]), 32, shuffle=True), 4, "pretrain")

# transfer: freeze everything except batch norm, new head
model._fc = nn.Linear(128, 10)
for name, module in model.named_modules():
    if not isinstance(module, nn.BatchNorm2d) and module is not model._fc:
        for p in module.parameters(recurse=False):
            p.requires_grad = False
loader = DataLoader(TensorDataset(x[600:1400], y[600:1400]), batch_size=64, shuffle=True)
fit(model, torch.optim.Adam(model._fc.parameters(), lr=5e-3), loader, 12, "finetune")

model.eval()
with torch.no_grad():
    acc = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
