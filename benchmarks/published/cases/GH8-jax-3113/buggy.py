import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

layer_sizes = [64, 256, 256, 10]
step_size = 0.1
num_epochs = 60
batch_size = 256
n_targets = 10


def one_hot(x, k):
    return (x[:, None] == torch.arange(k)).float()


images, labels = load_digits(return_X_y=True)
perm = np.random.permutation(len(images))
images = torch.tensor(images[perm] / 16.0, dtype=torch.float32)
labels = torch.tensor(labels[perm])
training_generator = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=batch_size, shuffle=True)
test_images, test_labels = images[1400:], labels[1400:]


def random_layer_params(m, n):
    w = torch.randn(n, m) * np.sqrt(2.0 / m)
    return w.requires_grad_(), torch.zeros(n, requires_grad=True)


params = [random_layer_params(m, n) for m, n in zip(layer_sizes[:-1], layer_sizes[1:])]


def batched_predict(params, x):
    for w, b in params[:-1]:
        x = torch.relu(x @ w.t() + b)
    w, b = params[-1]
    logits = x @ w.t() + b
    return logits - torch.logsumexp(logits, 1, keepdim=True)


def loss(params, x, targets):
    preds = batched_predict(params, x)
    return -torch.sum(preds * targets)


def accuracy(params, x, y):
    with torch.no_grad():
        return (batched_predict(params, x).argmax(1) == y).float().mean().item()


def update(params, x, y):
    flat = [p for layer in params for p in layer]
    value = loss(params, x, y)
    grads = torch.autograd.grad(value, flat)
    with torch.no_grad():
        for p, g in zip(flat, grads):
            p -= step_size * g
    return value.item()


for epoch in range(num_epochs):
    for x, y in training_generator:
        value = update(params, x, one_hot(y, n_targets))
    if epoch % 5 == 4:
        print(f"Epoch {epoch} loss {value:.4f} train {accuracy(params, images[:1400], labels[:1400]):.4f} "
              f"test {accuracy(params, test_images, test_labels):.4f}")

print("RESULT", json.dumps({"metric": "test_accuracy", "value": accuracy(params, test_images, test_labels)}))
