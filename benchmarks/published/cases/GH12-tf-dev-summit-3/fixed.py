import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)

### DIGITS ###
X, Y = load_digits(return_X_y=True)
X = (X / 16.0).astype(np.float32)
train_x, test_x, train_y, test_y = map(torch.as_tensor, train_test_split(X, Y, test_size=0.25, random_state=seed))


def next_batch(n):
    idx = torch.randint(0, len(train_x), (n,))
    return train_x[idx], train_y[idx]


class conv_layer(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.w = nn.Parameter(nn.init.trunc_normal_(torch.empty(size_out, size_in, 5, 5), std=0.1, a=-0.2, b=0.2))
        self.b = nn.Parameter(torch.full((size_out,), 0.1))

    def forward(self, input):
        conv = F.conv2d(input, self.w, self.b, padding=2)
        act = F.relu(conv)
        return F.max_pool2d(act, 2, 2)


class fc_layer(nn.Module):
    def __init__(self, size_in, size_out):
        super().__init__()
        self.w = nn.Parameter(nn.init.trunc_normal_(torch.empty(size_in, size_out), std=0.1, a=-0.2, b=0.2))
        self.b = nn.Parameter(torch.full((size_out,), 0.1))

    def forward(self, input):
        act = torch.matmul(input, self.w) + self.b
        return act


class mnist_model(nn.Module):
    def __init__(self, use_two_fc, use_two_conv):
        super().__init__()
        if use_two_conv:
            self.conv = nn.Sequential(conv_layer(1, 8), conv_layer(8, 16))
            size = 2 * 2 * 16
        else:
            self.conv = conv_layer(1, 16)
            size = 4 * 4 * 16
        if use_two_fc:
            self.fc = nn.Sequential(fc_layer(size, 64), nn.ReLU(), fc_layer(64, 10))
        else:
            self.fc = fc_layer(size, 10)

    def forward(self, x):
        x_image = x.view(-1, 1, 8, 8)
        conv_out = self.conv(x_image)
        flattened = conv_out.flatten(1)
        logits = self.fc(flattened)
        return logits


def make_hparam_string(learning_rate, use_two_fc, use_two_conv):
    conv_param = "conv=2" if use_two_conv else "conv=1"
    fc_param = "fc=2" if use_two_fc else "fc=1"
    return "lr_%.0E,%s,%s" % (learning_rate, conv_param, fc_param)


def run(learning_rate, use_two_fc, use_two_conv):
    print("Starting run for %s" % make_hparam_string(learning_rate, use_two_fc, use_two_conv))
    model = mnist_model(use_two_fc, use_two_conv)
    train_step = torch.optim.Adam(model.parameters(), learning_rate)
    for i in range(2001):
        x, y = next_batch(100)
        logits = model(x)
        xent = F.cross_entropy(logits, y)
        train_step.zero_grad()
        xent.backward()
        train_step.step()
        if i % 200 == 0:
            accuracy = (logits.argmax(1) == y).float().mean()
            print("step %d xent %.4f accuracy %.3f" % (i, xent.item(), accuracy.item()))
    with torch.no_grad():
        return (model(test_x).argmax(1) == test_y).float().mean().item()


acc = run(1E-3, use_two_fc=True, use_two_conv=True)
print("Done training!")
print("RESULT " + json.dumps({"metric": "test accuracy", "value": acc}))
