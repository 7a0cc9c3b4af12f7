"""Audio clip classification: conv front end + stacked LSTM (port of my Keras model)."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

N_MELS, N_FRAMES, N_CLASSES = 32, 60, 6


def make_clips(n, rng):
    """log-mel like pictures: every class is a frequency track of its own"""
    t = np.linspace(0, 1, N_FRAMES)
    tracks = [4 + 22 * t, 26 - 22 * t, 15 + 8 * np.sin(6 * t), 15 - 8 * np.sin(6 * t),
              8 + 14 * np.abs(2 * t - 1), 22 - 14 * np.abs(2 * t - 1)]
    x = rng.normal(0, 0.5, (n, N_MELS, N_FRAMES))
    y = rng.integers(0, N_CLASSES, n)
    mel = np.arange(N_MELS)[:, None]
    for i in range(n):
        track = tracks[y[i]] + rng.normal(0, 1.5)
        x[i] += 2.0 * np.exp(-0.5 * ((mel - track) / 1.5) ** 2)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


class AudioNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(N_MELS, 32, 3, padding=1)
        self.pool = nn.MaxPool1d(3)
        self.lstm1 = nn.LSTM(32, 32)
        self.lstm2 = nn.LSTM(32, 32)
        self.out = nn.Linear(32, N_CLASSES)

    def forward(self, x):
        x = self.pool(F.relu(self.conv(x)))
        x = x.view(x.size(2), x.size(0), x.size(1))  # LSTM wants (time, batch, channels)
        x, _ = self.lstm1(x)
        x = F.dropout(x, 0.2)
        x, _ = self.lstm2(x)
        x = F.dropout(x[-1], 0.2)
        return self.out(x)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    train = DataLoader(TensorDataset(*make_clips(600, rng)), batch_size=30, shuffle=True)
    x_val, y_val = make_clips(300, rng)

    model = AudioNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(10):
        model.train()
        losses = []
        for x, y in train:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            acc = (model(x_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch} loss {np.mean(losses):.3f} val acc {acc:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


main()
