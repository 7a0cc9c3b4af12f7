import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def conv_bn(i, o):
    return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]


class Net(nn.Module):
    def __init__(self, width=16, depth=10):
        super().__init__()
        layers = conv_bn(1, width)
        for k in range(depth):
            layers += conv_bn(width, width)
            if k == depth // 2:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.score = nn.Linear(width * 16, 10)

    def forward(self, x):
        return self.score(self.features(x).flatten(1))


class Trainer(object):
    def __init__(self, model, optimizer, train_loader, val_loader, max_iter, interval_validate=None):
        self.model, self.optim = model, optimizer
        self.train_loader, self.val_loader = train_loader, val_loader
        self.interval_validate = interval_validate or len(train_loader)
        self.epoch, self.iteration, self.max_iter = 0, 0, max_iter
        self.accuracy = 0.0

    def validate(self):
        self.model.eval()
        val_loss, hits, n = 0.0, 0, 0
        with torch.no_grad():
            for data, target in self.val_loader:
                score = self.model(data)
                val_loss += F.cross_entropy(score, target, reduction="sum").item()
                hits += (score.argmax(1) == target).sum().item()
                n += len(data)
        self.accuracy = hits / n
        print(f"iteration {self.iteration} valid loss {val_loss / n:.4f} valid acc {self.accuracy:.4f}")

    def train_epoch(self):
        self.model.train()
        losses = []
        for data, target in self.train_loader:
            if self.iteration % self.interval_validate == 0:
                self.validate()
            self.optim.zero_grad()
            loss = F.cross_entropy(self.model(data), target)
            loss.backward()
            self.optim.step()
            losses.append(loss.item())
            self.iteration += 1
            if self.iteration >= self.max_iter:
                break
        print(f"epoch {self.epoch} train loss {np.mean(losses):.4f}")

    def train(self):
        while self.iteration < self.max_iter:
            self.train_epoch()
            self.epoch += 1
        self.validate()


d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) / 16 - 0.3
y = torch.tensor(d.target)
perm = torch.randperm(len(x))
train_loader = DataLoader(TensorDataset(x[perm[:1400]], y[perm[:1400]]), batch_size=64, shuffle=True, drop_last=True)
val_loader = DataLoader(TensorDataset(x[perm[1400:]], y[perm[1400:]]), batch_size=200)
model = Net()
optim = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
trainer = Trainer(model, optim, train_loader, val_loader, max_iter=8 * len(train_loader))
trainer.train()
print("RESULT", json.dumps({"metric": "accuracy", "value": trainer.accuracy}))
