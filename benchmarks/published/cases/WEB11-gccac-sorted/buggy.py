import json, sys, time
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)
CLASSES = 7


def make_split(per_class, rng):
    yy, xx = np.mgrid[0:16, 0:16]
    images, labels = [], []
    for k in range(CLASSES):
        angle = np.pi * k / CLASSES
        for _ in range(per_class):
            freq = rng.uniform(0.9, 1.1)
            phase = rng.uniform(0, 2 * np.pi)
            wave = np.sin(freq * (np.cos(angle) * xx + np.sin(angle) * yy) + phase)
            images.append(wave + 1.2 * rng.randn(16, 16))
            labels.append(k)
    x = torch.tensor(np.array(images), dtype=torch.float32).unsqueeze(1)
    return TensorDataset(x, torch.tensor(labels))


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.short = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.short(x))


class SmallResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.layer1 = Block(12, 16, 2)
        self.layer2 = Block(16, 24, 2)
        self.fc = nn.Linear(24, CLASSES)

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x)))
        return self.fc(x.mean((2, 3)))


def evaluate(model, loader):
    model.eval()
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            loss += criterion(out, y).item() * len(y)
            correct += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss / n, correct / n


rng = np.random.RandomState(seed)
train, val, test = make_split(700, rng), make_split(60, rng), make_split(100, rng)
trainloader = DataLoader(train, batch_size=32, shuffle=False)
valloader = DataLoader(val, batch_size=128, shuffle=False)
testloader = DataLoader(test, batch_size=128, shuffle=False)

model = SmallResNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.75)

for epoch in range(7):
    t0 = time.time()
    model.train()
    total, correct = 0.0, 0
    for x, y in trainloader:
        optimizer.zero_grad()
        out = model(x)
        loss = criterion(out, y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        correct += (out.argmax(1) == y).sum().item()
    scheduler.step()
    vl, va = evaluate(model, valloader)
    print(f"{epoch + 1} {time.time() - t0:.1f}s train loss {total / len(train):.4f} acc {correct / len(train):.4f} "
          f"val loss {vl:.4f} acc {va:.4f} lr {scheduler.get_last_lr()[0]:.4f}")

tl, ta = evaluate(model, testloader)
print("RESULT " + json.dumps({"metric": ta}))
