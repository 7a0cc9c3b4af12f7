import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

STEPS, FEATURES, CLASSES = 9, 41, 3


def make_sequences(rng, n, patterns):
    y = rng.integers(0, CLASSES, n)
    x = rng.standard_normal((n, STEPS, FEATURES)) + 0.4 * patterns[y]
    return x.astype(np.float32), y


class LSTMBlock(nn.Module):
    def __init__(self, n_in, n_out, return_sequences):
        super().__init__()
        self.lstm = nn.LSTM(n_in, n_out, batch_first=True)
        self.norm = nn.BatchNorm1d(n_out)
        self.drop = nn.Dropout(0.4)
        self.return_sequences = return_sequences

    def forward(self, x):
        out, _ = self.lstm(x)
        if self.return_sequences:
            out = self.norm(out.transpose(1, 2)).transpose(1, 2)
        else:
            out = self.norm(out[:, -1])
        return self.drop(out)


def run_validation(model, loader, criterion):
    model.eval()
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            loss += criterion(out, y).item() * len(y)
            correct += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss / n, correct / n


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    patterns = rng.standard_normal((CLASSES, STEPS, FEATURES)) * (rng.random((CLASSES, STEPS, FEATURES)) < 0.3)
    x, y = make_sequences(rng, 9000, patterns)
    mean, std = x[:8000].mean((0, 1)), x[:8000].std((0, 1))
    x = torch.from_numpy((x - mean) / std)
    y = torch.from_numpy(y)
    train_loader = DataLoader(TensorDataset(x[:8000], y[:8000]), batch_size=64, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[8000:], y[8000:]), batch_size=500)
    model = nn.Sequential(
        LSTMBlock(FEATURES, 64, True),
        LSTMBlock(64, 48, True),
        LSTMBlock(48, 32, False),
        nn.Linear(32, CLASSES),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(4):
        model.train()
        total = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(yb)
        val_loss, val_acc = run_validation(model, val_loader, criterion)
        print(f"Epoch {epoch + 1} - loss: {total / 8000:.4f} - val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": val_acc}))


if __name__ == "__main__":
    main()
