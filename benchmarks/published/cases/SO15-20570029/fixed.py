"""Predicts whether a biological sequence belongs to a family, from 32 numerical features.

12 of the features have units (mass, charge, hydropathy ...), 20 are counts of residues.
"""
import sys
import json
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.RandomState(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)


def sequences(n, positive):
    lengths = rng.normal(420 if positive else 350, 60, size=n).clip(120)
    profile = np.linspace(1.0, 2.0, 20) + (0.8 * np.sin(np.arange(20)) if positive else 0.0)
    profile = profile / profile.sum()
    counts = np.stack([rng.multinomial(int(l), profile) for l in lengths])
    scale = np.array([50000, 7, 0.4, 30, 12, 900, 3, 0.05, 110, 2500, 18, 1.3])
    units = (1 + rng.normal(0, 0.12, size=(n, 12)) + (0.1 if positive else 0.0) * np.cos(np.arange(12))) * scale
    return np.concatenate([units, counts], 1)


class MinMax:
    def fit(self, a):
        self.low, self.high = a.min(0), a.max(0)
        return self

    def transform(self, a):
        return 2 * (a - self.low) / (self.high - self.low) - 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(32, 20)
        self.out = nn.Linear(20, 1)

    def forward(self, x):
        return torch.sigmoid(self.out(torch.tanh(self.hidden(x))))


def tensor(a):
    return torch.tensor(a, dtype=torch.float32)


# 648 positive and 9000 negative sequences; 500 of each for training, the others are the outer world
pos, neg = sequences(648, True), sequences(9000, False)
x_train = np.concatenate([pos[:500], neg[:500]])
y_train = np.concatenate([np.ones(500), np.zeros(500)])
x_new = np.concatenate([pos[500:], neg[500:648]])
y_new = np.concatenate([np.ones(148), np.zeros(148)])

scaler = MinMax().fit(x_train)
inputs, targets = tensor(scaler.transform(x_train)), tensor(y_train)[:, None]

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
mse = nn.MSELoss()
for epoch in range(300):
    perm = torch.randperm(len(inputs))
    for i in range(0, len(perm), 50):
        b = perm[i:i + 50]
        optimizer.zero_grad()
        loss = mse(net(inputs[b]), targets[b])
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 50 == 0:
        with torch.no_grad():
            print("epoch %d  mse %.5f" % (epoch + 1, mse(net(inputs), targets).item()))

with torch.no_grad():
    outp, outn = net(inputs[:500]).numpy(), net(inputs[500:]).numpy()
threshold = (outp.mean() - outp.std() + outn.mean() + outn.std()) / 2
print("threshold %.3f" % threshold)
with torch.no_grad():
    prediction = net(tensor(scaler.transform(x_new))).numpy()[:, 0] > threshold
accuracy = float((prediction == y_new).mean())
print("called positive: %d of %d" % (prediction.sum(), len(prediction)))
print("RESULT " + json.dumps({"metric": "new_data_accuracy", "value": round(accuracy, 4)}))
