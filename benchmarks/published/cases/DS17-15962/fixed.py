"""Simple feed-forward regression, trained by plain gradient descent on mini-batches."""
import json
import sys

import numpy as np
import torch

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

N_FEATURES = 8
LAYERS = [N_FEATURES, 128, 128, 1]
learning_rate = 0.0001
batch_size = 32
epochs = 60


def make_data(n):
    x = np.random.randn(n, N_FEATURES)
    y = (140 * x[:, 0] - 100 * x[:, 1] + 80 * np.abs(x[:, 2]) + 60 * x[:, 3] * x[:, 4]
         + 80 * np.sin(2 * x[:, 5]) + 160 + np.random.randn(n) * 12)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).view(-1, 1)


def weight_variable(n_in, n_out):
    w = torch.randn(n_in, n_out) * np.sqrt(2.0 / n_in)
    return w.requires_grad_()


def bias_variable(n_out):
    return torch.zeros(n_out, requires_grad=True)


weights = [weight_variable(a, b) for a, b in zip(LAYERS[:-1], LAYERS[1:])]
biases = [bias_variable(b) for b in LAYERS[1:]]


def multilayer_perceptron(x):
    for i, (w, b) in enumerate(zip(weights, biases)):
        x = x @ w + b
        if i < len(weights) - 1:
            x = torch.relu(x)
    return x


def mse(pred, y):
    return torch.mean((pred - y) ** 2)


x_train, y_train = make_data(4000)
x_test, y_test = make_data(1000)
optimizer = torch.optim.SGD(weights + biases, lr=learning_rate)

for epoch in range(epochs):
    perm = torch.randperm(len(x_train))
    avg_cost = 0.0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        cost = mse(multilayer_perceptron(x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        avg_cost += cost.item() * len(idx) / len(perm)
    if epoch % 6 == 0:
        print("Epoch:", "%04d" % (epoch + 1), "cost=", "{:.4f}".format(avg_cost),
              "max |w|=", "{:.3f}".format(max(w.abs().max().item() for w in weights)))

with torch.no_grad():
    pred = multilayer_perceptron(x_test)
    hit = (torch.abs(pred - y_test) < 60).float().mean().item()
print("test predictions within 60 units: {:.1%}".format(hit))
print("RESULT " + json.dumps({"metric": "within_60_units", "value": round(hit, 4)}))
