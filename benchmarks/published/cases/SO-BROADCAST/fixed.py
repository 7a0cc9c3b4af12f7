# simple linear regression, two inputs (the first one is constant)
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

x = torch.tensor([[1.0, 2.0], [1.0, 3.0], [1.0, 7.0], [1.0, 9.0]])
y = torch.tensor([2.0, 3.0, 7.0, 9.0])
x_new = torch.tensor([[1.0, 1.0], [1.0, 4.0], [1.0, 6.0], [1.0, 8.0]])
y_new = torch.tensor([1.0, 4.0, 6.0, 8.0])

model = nn.Linear(2, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)


def loss_fn(pred, target):
    return ((pred - target) ** 2).mean()


for step in range(2000):
    out = model(x).view(-1)
    loss = loss_fn(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 250 == 0:
        print(step, loss.item())

with torch.no_grad():
    pred = model(x_new).squeeze(1)
    score = ((pred - y_new) ** 2).mean() / y_new.var(unbiased=False)
print(pred)
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": score.item()}))
