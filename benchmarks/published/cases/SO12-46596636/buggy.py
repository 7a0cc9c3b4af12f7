import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

n_in, n_bits = 12, 6
proj = np.random.randn(n_in, n_bits)
bend = np.random.randn(n_in, n_bits)


def samples(n):
    x = np.random.randn(n, n_in)
    score = x @ proj + 0.6 * np.abs(x @ bend) - 0.6 * np.abs(np.random.RandomState(1).randn(4000, n_in) @ bend).mean(0)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(score > 0, dtype=torch.float32)


x_train, y_train = samples(8000)
x_test, y_test = samples(2000)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden1 = nn.Linear(n_in, 64)
        self.hidden2 = nn.Linear(64, 64)
        self.out = nn.Linear(64, n_bits)

    def forward(self, x):
        x = torch.relu(self.hidden1(x))
        x = torch.relu(self.hidden2(x))
        probabilities = torch.sigmoid(self.out(x))
        return torch.round(probabilities)


net = Network()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

epochs, batch_size = 15, 64
for epoch in range(epochs):
    perm = torch.randperm(len(x_train))
    total = 0.0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        output = net(x_train[idx])
        loss = F.binary_cross_entropy(output, y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    with torch.no_grad():
        test_loss = F.binary_cross_entropy(net(x_test), y_test).item()
    print("epoch %d loss %.4f test loss %.4f" % (epoch, total / len(perm), test_loss))

with torch.no_grad():
    bits = torch.round(net(x_test))
print("RESULT " + json.dumps({"metric": "share of right bits on test", "value": (bits == y_test).float().mean().item()}))
