import json
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def make_data(bits=8):
    patterns = np.array([[(i >> b) & 1 for b in range(bits)] for i in range(2 ** bits)], dtype="float32")
    inputs = patterns.copy()
    outputs = patterns.copy()
    order = np.random.permutation(len(inputs))
    inputs, outputs = inputs[order], outputs[order]
    return torch.from_numpy(inputs), torch.from_numpy(outputs)


class AutoNet(nn.Module):
    def __init__(self, bits=8):
        super().__init__()
        self.hidden1 = nn.Linear(bits, 32)
        self.hidden2 = nn.Linear(32, 32)
        self.out = nn.Linear(32, bits)

    def forward(self, x):
        x = torch.relu(self.hidden1(x))
        x = torch.relu(self.hidden2(x))
        return self.out(x)


x, y = make_data()
x_train, y_train, x_test, y_test = x[:200], y[:200], x[200:], y[200:]
net = AutoNet()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
loss_fn = nn.BCEWithLogitsLoss()

for epoch in range(80):
    order = torch.randperm(len(x_train))
    for start in range(0, len(order), 25):
        idx = order[start:start + 25]
        loss = loss_fn(net(x_train[idx]), y_train[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))

with torch.no_grad():
    bit_acc = ((net(x_test) > 0).float() == y_test).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy", "value": bit_acc}))
