import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

d = load_digits()
perm = np.random.permutation(len(d.target))
images = torch.tensor(d.data[perm] / 16.0, dtype=torch.float32)
labels = torch.tensor(d.target[perm])
top, bottom = images[:, :32], images[:, 32:]
parts = [slice(0, 1100), slice(1100, 1400), slice(1400, None)]
train_dl, valid_dl, test_dl = [DataLoader(TensorDataset(top[p], bottom[p], labels[p]), batch_size=32, shuffle=i == 0) for i, p in enumerate(parts)]


class Encoder(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_in, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, n_out), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x):
        return self.layers(x)


class MMDL(nn.Module):
    def __init__(self, encoders, head):
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.head = head

    def forward(self, inputs):
        return self.head(torch.cat([enc(x) for enc, x in zip(self.encoders, inputs)], dim=1))


def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        hits = [(model([a, b]).argmax(1) == t).float() for a, b, t in loader]
    return torch.cat(hits).mean().item()


def train(model, epochs):
    op = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    best, best_state = 0.0, None
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for a, b, t in train_dl:
            op.zero_grad()
            loss = criterion(model([a, b]), t)
            loss.backward()
            op.step()
            total += loss.item() * len(t)
        acc = accuracy(model, valid_dl)
        print("Epoch", epoch, "train loss:", round(total / 1100, 4), "valid acc:", round(acc, 4))
        if acc > best:
            best, best_state = acc, {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(best_state)


model = MMDL([Encoder(32, 48), Encoder(32, 48)], nn.Sequential(nn.Linear(96, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)))
train(model, 30)
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy(model, test_dl)}))
