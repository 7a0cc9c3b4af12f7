# XOR with a tiny net
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
answers = torch.tensor([[0.0], [1.0], [1.0], [0.0]])


def points(copies):
    return corners.repeat(copies, 1) + 0.08 * torch.randn(4 * copies, 2), answers.repeat(copies, 1)


net = nn.Sequential(
    nn.Linear(2, 2), nn.Sigmoid(),
    nn.Linear(2, 2), nn.Sigmoid(),
    nn.Linear(2, 1), nn.Sigmoid(),
)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for layer in net[::2]:
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)

x, y = points(20)
x_new, y_new = points(50)
for epoch in range(150):
    order = torch.randperm(len(x))
    for i in order.split(8):
        out = net(x[i])
        loss = (out - y[i]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 25 == 0:
        print(epoch, loss.item())

with torch.no_grad():
    accuracy = ((net(x_new) > 0.5).float() == y_new).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
