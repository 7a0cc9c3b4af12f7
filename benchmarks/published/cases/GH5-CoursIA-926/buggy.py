import argparse
import json

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
parser.add_argument("--seq_len", type=int, default=32)
parser.add_argument("--pred_len", type=int, default=1)
parser.add_argument("--epochs", type=int, default=8)
args = parser.parse_args()

np.random.seed(args.seed)
torch.manual_seed(args.seed)


def price_like_series(n=3200):
    level, season = np.zeros(n), np.sin(np.arange(n) * 2 * np.pi / 21)
    for t in range(2, n):
        level[t] = 1.2 * level[t - 1] - 0.35 * level[t - 2] + 0.3 * np.random.randn()
    return level + 0.8 * season


class PatchTST(nn.Module):
    def __init__(self, seq_len, pred_len, patch=8, d_model=32):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(patch, d_model)
        self.pos = nn.Parameter(0.02 * torch.randn(seq_len // patch, d_model))
        layer = nn.TransformerEncoderLayer(d_model, 4, 64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(seq_len // patch * d_model, pred_len)

    def forward(self, x):
        patches = x.unfold(1, self.patch, self.patch)
        return self.head(self.encoder(self.embed(patches) + self.pos).flatten(1))


series = price_like_series()
series = (series - series[:2400].mean()) / series[:2400].std()
x = np.stack([series[i:i + args.seq_len] for i in range(len(series) - args.seq_len)])
y = series[args.seq_len:]
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
train_loader = DataLoader(TensorDataset(x[:2400], y[:2400]), batch_size=64, shuffle=True)
x_val, y_val = x[2450:], y[2450:]

model = PatchTST(args.seq_len, args.pred_len)
criterion = nn.MSELoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for x_batch, y_batch in train_loader:
        optimizer.zero_grad()
        pred = model(x_batch)
        loss = criterion(pred, y_batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        val = ((model(x_val)[:, 0] - y_val) ** 2).mean().item()
    print(f"epoch {epoch + 1} train {total / len(train_loader):.4f} val mse {val:.4f}")
print("RESULT", json.dumps({"metric": "val_mse", "value": val}))
