import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

CLASSES, S = 6, 24


def photo(c):
    yy, xx = np.mgrid[:S, :S] / S
    ang = np.pi * (c % 3) / 3 + np.random.uniform(-0.2, 0.2)
    f = 4 if c < 3 else 7
    wave = np.sin(2 * np.pi * f * (xx * np.cos(ang) + yy * np.sin(ang)) + np.random.uniform(0, 6.28))
    base = np.random.uniform(0.3, 0.65, 3)
    img = base[:, None, None] + 0.15 * wave + 0.1 * np.random.randn(3, S, S)
    return (img.clip(0, 1) * 255).astype("uint8")


def to_tensor(img):
    return torch.from_numpy(img).float() / 255.0


def normalize(t, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)):
    return (t - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


train_transform = lambda img: normalize(to_tensor(img))
val_transform = lambda img: to_tensor(img)


class ImageFolder(Dataset):
    def __init__(self, n, transform):
        self.items = [(photo(i % CLASSES), i % CLASSES) for i in range(n)]
        self.transform = transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        img, label = self.items[i]
        return self.transform(img), label


train_loader = DataLoader(ImageFolder(900, train_transform), batch_size=32, shuffle=True)
test_loader = DataLoader(ImageFolder(300, val_transform), batch_size=50)


class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.down = nn.Sequential()
        if stride != 1 or cin != cout:
            self.down = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.down(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU())
        self.layer1 = BasicBlock(12, 16, 1)
        self.layer2 = BasicBlock(16, 32, 2)
        self.fc = nn.Linear(32, CLASSES)

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


model = ResNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(5):
    model.train()
    correct, loss_sum = 0, 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        out = model(x)
        loss = criterion(out, y)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(x)
        correct += (out.argmax(1) == y).sum().item()
    print(f"epoch {epoch + 1} train loss {loss_sum / 900:.4f} train acc {correct / 900:.4f}")

model.eval()
correct = 0
with torch.no_grad():
    for x, y in test_loader:
        correct += (model(x).argmax(1) == y).sum().item()
print("test acc", correct / 300)
print("RESULT", json.dumps({"metric": "test_accuracy", "value": correct / 300}))
