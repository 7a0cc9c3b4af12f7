"""Find a transcription-factor-like motif in DNA sequences with a 1-D convolutional network.
Modelled after the DeepBind / "deep learning primer in genomics" teaching notebooks."""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

MOTIF = "CGACCGAACTCC"
LENGTH = 60
CODE = {c: i for i, c in enumerate("ACGT")}


def one_hot(seqs):
    return np.eye(4, dtype=np.float32)[seqs].transpose(0, 2, 1)


def simulate(n):
    seqs = rng.integers(0, 4, (n, LENGTH))
    labels = rng.integers(0, 2, n)
    motif = np.array([CODE[c] for c in MOTIF])
    for i in np.flatnonzero(labels):
        site = motif.copy()
        mutate = rng.random(len(site)) < 0.08
        site[mutate] = rng.integers(0, 4, mutate.sum())
        start = rng.integers(0, LENGTH - len(site))
        seqs[i, start:start + len(site)] = site
    return torch.from_numpy(one_hot(seqs)), torch.from_numpy(labels.astype(np.float32))


x_train, y_train = simulate(4000)
x_val, y_val = simulate(1000)
x_test, y_test = simulate(1000)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)


class MotifNet(nn.Module):
    def __init__(self, filters=16, width=12):
        super().__init__()
        self.conv = nn.Conv1d(4, filters, width)
        self.dropout = nn.Dropout(0.2)
        self.fc1 = nn.Linear(filters, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, x):
        h = torch.relu(self.conv(x)).amax(dim=2)
        h = torch.relu(self.fc1(self.dropout(h)))
        return self.fc2(h).squeeze(1)


model = MotifNet()
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)

for epoch in range(12):
    model.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        out = model(x_val)
        vloss = loss_fn(out, y_val).item()
        vacc = ((out > 0).float() == y_val).float().mean().item()
    print(f"{epoch + 1:2d} train {total / len(x_train):.4f} val {vloss:.4f} acc {vacc:.3f}")

model.eval()
with torch.no_grad():
    acc = ((model(x_test) > 0).float() == y_test).float().mean().item()
print("RESULT " + json.dumps({"test_accuracy": round(acc, 4), "good": acc > 0.95}))
