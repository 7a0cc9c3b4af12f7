import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

SR, LENGTH, N_CLASSES = 2000, 1600, 6


def make_clip(label):
    # a short chirp of variable length, zero padded to the full clip length
    n = np.random.randint(700, 1500)
    t = np.arange(n) / SR
    f0 = 120 + 90 * label + np.random.uniform(-20, 20)
    wave = np.sin(2 * np.pi * f0 * t + np.random.uniform(0, 6.28)) * np.random.uniform(0.2, 1.0)
    wave += 0.15 * np.random.randn(n)
    clip = np.zeros(LENGTH, dtype=np.float32)
    clip[:n] = wave
    return clip


def make_set(n):
    y = np.random.randint(0, N_CLASSES, n)
    x = np.stack([make_clip(l) for l in y])
    return torch.from_numpy(x).unsqueeze(1), torch.from_numpy(y)


class AudioNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.filters = nn.Conv1d(1, 24, 64, stride=8, bias=False)
        self.conv = nn.Conv1d(24, 32, 3, padding=1)
        self.fc = nn.Linear(32, N_CLASSES)

    def forward(self, x):
        t = self.filters(x) ** 2
        t = F.avg_pool1d(t, 8)
        t = torch.log(t)
        h = F.relu(self.conv(t))
        h = F.max_pool1d(h, h.size(2)).squeeze(2)
        return self.fc(h)


x_train, y_train = make_set(2000)
x_test, y_test = make_set(500)

net = AudioNet()
optimizer = torch.optim.Adam(net.parameters(), lr=0.002)
for epoch in range(10):
    net.train()
    idx = torch.randperm(len(x_train))
    running_loss = 0.0
    for i in range(0, len(idx), 50):
        b = idx[i:i + 50]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x_train[b]), y_train[b])
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print("epoch", epoch, "loss", running_loss / (len(idx) / 50))

net.eval()
with torch.no_grad():
    acc = (net(x_test).argmax(1) == y_test).float().mean().item()
print("RESULT " + json.dumps({"test_accuracy": acc}))
