"""Demand forecasting with a small Transformer encoder: 32 past steps -> next 4 steps."""
import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

WINDOW, HORIZON = 32, 4
D_MODEL, N_HEAD, N_LAYERS = 32, 4, 2


def make_windows(n, rng):
    t = np.arange(WINDOW + HORIZON)
    period = rng.uniform(8, 20, (n, 1))
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    amp = rng.uniform(0.7, 1.3, (n, 1))
    series = amp * np.sin(2 * np.pi * t / period + phase) + rng.normal(0, 0.05, (n, len(t)))
    series = torch.tensor(series, dtype=torch.float32)
    return series[:, :WINDOW].unsqueeze(-1), series[:, WINDOW:]


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=512):
        super().__init__()
        pos = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(pos * div)
        pe[:, 1::2] = torch.cos(pos * div)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        return x + self.pe[:, :x.size(1)]


class DemandTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, D_MODEL)
        self.pos = PositionalEncoding(D_MODEL)
        layer = nn.TransformerEncoderLayer(D_MODEL, N_HEAD, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, N_LAYERS)
        self.head = nn.Linear(D_MODEL, HORIZON)

    def forward(self, x):
        h = self.pos(self.embed(x))
        h = self.encoder(h)
        return self.head(h.mean(dim=1))


def main():
    rng = np.random.default_rng(SEED)
    Xtr, ytr = make_windows(3000, rng)
    Xva, yva = make_windows(500, rng)
    model = DemandTransformer()
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    mse = nn.MSELoss()
    print("target variance %.4f" % yva.var().item())
    for epoch in range(10):
        model.train()
        tot = 0.0
        perm = torch.randperm(len(Xtr))
        for idx in perm.split(64):
            opt.zero_grad()
            loss = mse(model(Xtr[idx]), ytr[idx])
            loss.backward()
            opt.step()
            tot += loss.item() * len(idx)
        model.eval()
        with torch.no_grad():
            pred = model(Xva)
            val = mse(pred, yva).item()
        print(f"epoch {epoch + 1:2d}  train mse {tot / len(Xtr):.4f}  val mse {val:.4f}  prediction std {pred.std().item():.3f}")
    print("RESULT " + json.dumps({"metric": "val_mse", "value": round(val, 5)}))


main()
