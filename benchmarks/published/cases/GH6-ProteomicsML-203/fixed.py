import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

AA = "ACDEFGHIKLMNPQRSTVWY"
MAX_LEN = 14
hydro = np.random.RandomState(5).normal(0, 1, len(AA) + 1)
hydro[0] = 0


def peptides(n):
    x = np.zeros((n, MAX_LEN), dtype=int)
    rt = np.zeros(n)
    for i in range(n):
        length = np.random.randint(7, MAX_LEN + 1)
        x[i, -length:] = np.random.randint(1, len(AA) + 1, length)
        h = hydro[x[i]]
        rt[i] = h.sum() + 0.5 * h[-3:].sum() + 0.3 * np.random.normal()
    return x, rt


x, rt = peptides(2400)
train_x, val_x = torch.tensor(x[:2000]), torch.tensor(x[2000:])
mean, std = rt[:2000].mean(), rt[:2000].std()
y = torch.tensor((rt - mean) / std, dtype=torch.float32)
train_y, val_y = y[:2000], y[2000:]


class RTModel(nn.Module):
    def __init__(self, hidden=40):
        super().__init__()
        self.embedding = nn.Embedding(len(AA) + 1, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, hidden, batch_first=True)
        self.dense = nn.Linear(hidden, 32)
        self.out = nn.Linear(32, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        _, (h, _) = self.lstm(self.embedding(x))
        x = self.relu(self.dense(h[-1]))
        x = self.out(x)
        return x.squeeze(-1)


loader = DataLoader(TensorDataset(train_x, train_y), batch_size=40, shuffle=True)
model = RTModel()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.L1Loss()
for epoch in range(10):
    model.train()
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = criterion(model(val_x), val_y).item()
    print(f"epoch {epoch}: train {loss.item():.4f} val {val:.4f}")

print("RESULT", json.dumps({"metric": "mae", "value": val}))
