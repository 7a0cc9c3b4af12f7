"""SGD with a cosine schedule to zero, then stochastic weight averaging at a constant rate and a BatchNorm update."""

import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
perm = torch.randperm(1797)
x = torch.tensor(d.images, dtype=torch.float32)[perm, None] / 16
y = torch.tensor(d.target)[perm]
train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=50, shuffle=True)
test_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=200)

model = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(12, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
    nn.Flatten(), nn.Linear(24, 10),
)
averaged = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7)
swa_scheduler = SWALR(optimizer, swa_lr=0.03, anneal_epochs=1)


def test(net):
    net.eval()
    with torch.no_grad():
        return sum((net(a).argmax(1) == b).sum().item() for a, b in test_loader) / 397


for epoch in range(12):
    model.train()
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    if epoch >= 7:
        averaged.update_parameters(model)
        swa_scheduler.step()
    else:
        cosine.step()
    print(f"epoch {epoch} lr {optimizer.param_groups[0]['lr']:.4f} loss {loss.item():.4f} acc {test(model):.4f}")
update_bn(train_loader, averaged)
acc = test(averaged)
print("RESULT", json.dumps({"metric": "swa_acc", "value": round(acc, 4), "good": acc >= 0.93}))
