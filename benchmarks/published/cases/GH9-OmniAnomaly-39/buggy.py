import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import MinMaxScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

CHANNELS, WINDOW = 6, 16
phase = rng.uniform(0, 6.28, CHANNELS)
speed = rng.uniform(0.05, 0.2, CHANNELS)


def machine(start, length):
    t = np.arange(start, start + length)[:, None]
    base = np.sin(speed * t + phase)
    base[:, 1] = base[:, 0] * base[:, 2]
    return base + 0.05 * rng.normal(size=base.shape)


train_x = machine(0, 3000)
test_x = machine(3000, 1500)
label = np.zeros(1500, dtype=int)
for at in rng.choice(np.arange(50, 1400, 60), 8, replace=False):
    span = rng.randint(10, 25)
    ch = rng.randint(CHANNELS)
    label[at:at + span] = 1
    test_x[at:at + span, ch] += rng.choice([-1, 1]) * rng.uniform(1.2, 1.6)
spike = rng.randint(1450, 1490)
test_x[spike] += 8 * rng.uniform(0.5, 1.0, CHANNELS)
label[spike] = 1


def preprocess(train, test):
    train_part = MinMaxScaler().fit_transform(train)
    test_part = MinMaxScaler().fit_transform(test)
    return train_part.astype(np.float32), test_part.astype(np.float32)


x_train, x_test = preprocess(train_x, test_x)


def windows(a):
    return torch.tensor(np.stack([a[i:i + WINDOW] for i in range(len(a) - WINDOW + 1)]))


class RecurrentAE(nn.Module):
    def __init__(self, hidden=24, latent=6):
        super().__init__()
        self.enc = nn.GRU(CHANNELS, hidden, batch_first=True)
        self.z = nn.Linear(hidden, latent)
        self.dec = nn.GRU(latent, hidden, batch_first=True)
        self.out = nn.Linear(hidden, CHANNELS)

    def forward(self, x):
        h, _ = self.enc(x)
        d, _ = self.dec(self.z(h))
        return self.out(d)


model = RecurrentAE()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
data = windows(x_train)
for epoch in range(10):
    model.train()
    order = torch.randperm(len(data))
    total = 0.0
    for k in range(0, len(order), 64):
        batch = data[order[k:k + 64]]
        loss = ((model(batch) - batch) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(batch)
    print(f"epoch {epoch} reconstruction {total / len(order):.5f}")

model.eval()
with torch.no_grad():
    w = windows(x_test)
    score = ((model(w)[:, -1] - w[:, -1]) ** 2).mean(1).numpy()
ap = average_precision_score(label[WINDOW - 1:], score)
print("RESULT", json.dumps({"metric": "average_precision", "value": float(ap)}))
