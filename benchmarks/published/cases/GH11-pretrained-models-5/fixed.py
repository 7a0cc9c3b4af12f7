import sys, json
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import TensorDataset, DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


class BasicConv2d(nn.Module):

    def __init__(self, in_planes, out_planes, kernel_size, stride=1, padding=0):
        super(BasicConv2d, self).__init__()
        self.conv = nn.Conv2d(in_planes, out_planes, kernel_size=kernel_size, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(out_planes, eps=0.001, momentum=0.1, affine=True)
        self.relu = nn.ReLU(inplace=False)

    def forward(self, x):
        x = self.conv(x)
        x = self.bn(x)
        return self.relu(x)


class Block35(nn.Module):

    def __init__(self, ch, scale=0.3):
        super(Block35, self).__init__()
        self.scale = scale
        self.branch0 = BasicConv2d(ch, 8, 1)
        self.branch1 = nn.Sequential(BasicConv2d(ch, 8, 1), BasicConv2d(8, 8, 3, padding=1))
        self.branch2 = nn.Sequential(BasicConv2d(ch, 8, 1), BasicConv2d(8, 12, 3, padding=1), BasicConv2d(12, 16, 3, padding=1))
        self.conv2d = nn.Conv2d(32, ch, kernel_size=1)
        self.relu = nn.ReLU(inplace=False)

    def forward(self, x):
        out = torch.cat((self.branch0(x), self.branch1(x), self.branch2(x)), 1)
        out = self.conv2d(out) * self.scale + x
        return self.relu(out)


class InceptionResNetSmall(nn.Module):

    def __init__(self, num_classes=10):
        super(InceptionResNetSmall, self).__init__()
        self.conv2d_1a = BasicConv2d(1, 16, 3, padding=1)
        self.conv2d_2a = BasicConv2d(16, 32, 3, padding=1)
        self.repeat = nn.Sequential(Block35(32), Block35(32))
        self.maxpool = nn.MaxPool2d(2)
        self.conv2d_7b = BasicConv2d(32, 48, 3, padding=1)
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.last_linear = nn.Linear(48 * 4, num_classes)

    def forward(self, x):
        x = self.conv2d_2a(self.conv2d_1a(x))
        x = self.maxpool(self.repeat(x))
        x = self.avgpool(self.conv2d_7b(x))
        return self.last_linear(x.view(x.size(0), -1))


digits = load_digits()
X = (digits.images[:, None] / 16.0 - 0.5) / 0.5
Xtr, Xte, ytr, yte = train_test_split(X.astype(np.float32), digits.target, test_size=0.3, random_state=seed, stratify=digits.target)
train_loader = DataLoader(TensorDataset(torch.tensor(Xtr), torch.tensor(ytr)), batch_size=64, shuffle=True)
val_loader = DataLoader(TensorDataset(torch.tensor(Xte), torch.tensor(yte)), batch_size=128)

model = InceptionResNetSmall()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)


def validate():
    model.eval()
    correct, loss = 0, 0.0
    with torch.no_grad():
        for input, target in val_loader:
            output = model(input)
            loss += criterion(output, target).item() * len(target)
            correct += (output.argmax(1) == target).sum().item()
    return correct / len(yte), loss / len(yte)


for epoch in range(5):
    model.train()
    correct, total = 0, 0.0
    for input, target in train_loader:
        output = model(input)
        loss = criterion(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(target)
        correct += (output.argmax(1) == target).sum().item()
    acc, vloss = validate()
    print("Epoch: [%d]  Loss %.4f  Prec@1 %.2f   val Loss %.4f  val Prec@1 %.2f"
          % (epoch, total / len(ytr), 100.0 * correct / len(ytr), vloss, 100.0 * acc))

print("RESULT " + json.dumps({"metric": "score", "value": round(acc, 4)}))
