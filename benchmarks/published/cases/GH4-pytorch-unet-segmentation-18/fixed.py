import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class SEMData(Dataset):
    """dark membranes between bright cells"""

    def __init__(self, n, seed, size=32, flip=False):
        rng = np.random.default_rng(seed)
        yy, xx = np.mgrid[0:size, 0:size]
        self.flip = flip
        self.images, self.masks = [], []
        for _ in range(n):
            centres = rng.uniform(0, size, (7, 2))
            d = np.sort(np.hypot(yy[..., None] - centres[:, 0], xx[..., None] - centres[:, 1]), axis=-1)
            mask = (d[..., 1] - d[..., 0] > 2.5).astype(np.int64)
            img = 0.35 + 0.35 * mask + 0.12 * rng.standard_normal((size, size))
            self.images.append(img.astype(np.float32))
            self.masks.append(mask)
        self.mean = float(np.mean(self.images))
        self.std = float(np.std(self.images))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        img, mask = (self.images[i] - self.mean) / self.std, self.masks[i]
        if self.flip and np.random.random() < 0.5:
            img, mask = img[:, ::-1].copy(), mask[:, ::-1].copy()
        return torch.from_numpy(img).unsqueeze(0), torch.from_numpy(mask)


def double_conv(cin, cout):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.ReLU(inplace=True),
                         nn.Conv2d(cout, cout, 3, padding=1), nn.ReLU(inplace=True))


class CleanU_Net(nn.Module):
    def __init__(self, in_channels=1, out_channels=2):
        super().__init__()
        self.block1 = double_conv(in_channels, 16)
        self.block2 = double_conv(16, 32)
        self.block3 = double_conv(32, 48)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(48, 32, 2, stride=2)
        self.expand2 = double_conv(64, 32)
        self.up1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.expand1 = double_conv(32, 16)
        self.last = nn.Conv2d(16, out_channels, 1)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, x):
        a = self.block1(x)
        b = self.block2(self.pool(a))
        c = self.block3(self.pool(b))
        y = self.expand2(torch.cat([self.up2(c), b], 1))
        y = self.expand1(torch.cat([self.up1(y), a], 1))
        return self.last(y)


def train_model(model, data_train, criterion, optimizer):
    model.train()
    total = 0
    for images, masks in data_train:
        optimizer.zero_grad()
        loss = criterion(model(images), masks)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(data_train)


def validate_model(model, data_val, criterion):
    loss, acc = 0, 0
    for images, masks in data_val:
        with torch.no_grad():
            outputs = model(images)
            loss += criterion(outputs, masks).item()
            acc += (outputs.argmax(1) == masks).float().mean().item()
    return loss / len(data_val), acc / len(data_val)


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    np.random.seed(seed)
    train_load = DataLoader(SEMData(240, seed, flip=True), batch_size=12, shuffle=True)
    val_load = DataLoader(SEMData(60, seed + 500), batch_size=1)
    model = CleanU_Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(8):
        train_loss = train_model(model, train_load, criterion, optimizer)
        val_loss, val_acc = validate_model(model, val_load, criterion)
        print("Epoch", epoch + 1, "train loss %.4f" % train_loss, "val loss %.4f" % val_loss, "val acc %.4f" % val_acc)
    print("RESULT", json.dumps({"metric": "pixel_accuracy", "value": val_acc}))
