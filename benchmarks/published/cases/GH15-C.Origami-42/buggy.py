"""Loop or no loop from the DNA sequence: conv encoder, transformer, decoder."""
import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn

torch.set_num_threads(1)


class PositionalEncoding(nn.Module):
    def __init__(self, hidden, dropout=0.1, max_len=256):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, hidden, 2) * (-math.log(10000.0) / hidden))
        pe = torch.zeros(max_len, 1, hidden)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer('pe', pe)

    def forward(self, x):
        x = x + self.pe[:x.size(0)]
        return self.dropout(x)


class AttnModule(nn.Module):
    def __init__(self, hidden=32, layers=2):
        super().__init__()
        self.pos_encoder = PositionalEncoding(hidden)
        layer = nn.TransformerEncoderLayer(hidden, nhead=4, dim_feedforward=64, dropout=0.1, batch_first=True)
        self.module = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, x):
        return self.module(self.pos_encoder(x))


class ConvTransModel(nn.Module):
    def __init__(self, mid_hidden=32):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(4, mid_hidden, 6, stride=1, padding=2), nn.BatchNorm1d(mid_hidden), nn.ReLU(),
            nn.MaxPool1d(4))
        self.attn = AttnModule(hidden=mid_hidden)
        self.decoder = nn.Sequential(nn.Linear(mid_hidden, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, seq):
        x = self.encoder(seq)           # batch, hidden, length
        x = x.transpose(1, 2).contiguous()
        x = self.attn(x)
        return self.decoder(x.mean(1)).squeeze(1)


FORWARD = np.array([1, 1, 2, 0, 3, 2])                  # forward site
REVERSE = np.array([3, 0, 2, 1, 1, 3])                  # reverse site


def make_windows(n, rng, length=96):
    """both sites occur once; a loop forms when they point at each other (forward site to the left)"""
    seq = rng.integers(0, 4, (n, length))
    y = rng.integers(0, 2, n)
    for i in range(n):
        a, b = np.sort(rng.choice(length // 8, 2, replace=False)) * 8 + rng.integers(0, 3, 2)
        first, second = (FORWARD, REVERSE) if y[i] else (REVERSE, FORWARD)
        seq[i, a:a + 6], seq[i, b:b + 6] = first, second
    return torch.from_numpy(np.eye(4, dtype=np.float32)[seq]).transpose(1, 2).contiguous(), torch.from_numpy(y).float()


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        pred = torch.cat([model(b) for b in x.split(64)]) > 0
    model.train()
    return (pred == (y > 0.5)).float().mean().item()


def main(seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = make_windows(4096, rng)
    x_test, y_test = make_windows(1024, rng)
    model = ConvTransModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.5e-3)
    criterion = nn.BCEWithLogitsLoss()
    for epoch in range(10):
        perm = torch.randperm(len(x))
        total = 0.0
        for idx in perm.split(64):
            loss = criterion(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
        print("epoch", epoch, "train loss %.4f" % (total / len(x)), "test accuracy %.4f" % accuracy(model, x_test, y_test))
    print("RESULT " + json.dumps({"metric": "test_accuracy", "value": accuracy(model, x_test, y_test)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
