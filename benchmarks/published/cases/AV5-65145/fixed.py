# Sentiment of tweets: embedding + Conv1D
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

VOCAB, MAX_WORDS = 2000, 24


def tweets(n, label):
    """Rows of word ids, 0 is padding. A few ids lean to one side."""
    ids = np.zeros((n, MAX_WORDS), dtype=np.int64)
    for row in ids:
        length = rng.integers(8, MAX_WORDS + 1)
        words = rng.integers(201, VOCAB, length)
        hints = rng.random(length) < 0.2
        side = label if label == 1 else 0
        lean = np.where(rng.random(length) < 0.8, side, 1 - side)
        words[hints] = rng.integers(1, 101, length)[hints] + 100 * lean[hints]
        row[-length:] = words
    return ids, np.full(n, label)


negative, positive = tweets(2700, 0), tweets(2300, 1)
x = np.concatenate([negative[0], positive[0]])
y = np.concatenate([negative[1], positive[1]])
test = rng.permutation(len(x))[:1000]
rest = rng.permutation(np.setdiff1d(np.arange(len(x)), test))
X_train, y1 = x[rest], y[rest]
X_test, y_test = torch.tensor(x[test]), torch.tensor(y[test], dtype=torch.float32)


class TweetNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, 100)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        self.conv = nn.Conv1d(100, 32, 3, padding=1)
        self.hidden = nn.Linear(32 * (MAX_WORDS // 2), 250)
        self.out = nn.Linear(250, 1)
        for layer in (self.conv, self.hidden, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, ids):
        h = F.relu(self.conv(self.embedding(ids).transpose(1, 2)))
        h = F.max_pool1d(h, 2).flatten(1)
        return torch.sigmoid(self.out(F.relu(self.hidden(h)))).squeeze(1)


def evaluate(model, ids, labels):
    model.eval()
    with torch.no_grad():
        p = model(ids)
    return F.binary_cross_entropy(p, labels).item(), ((p > 0.5).float() == labels).float().mean().item()


def fit(model, ids, labels, validation_split, epochs, batch_size):
    ids, labels = torch.tensor(ids), torch.tensor(labels, dtype=torch.float32)
    cut = int(len(ids) * (1 - validation_split))
    tr_x, tr_y, va_x, va_y = ids[:cut], labels[:cut], ids[cut:], labels[cut:]
    print(f"Train on {len(tr_x)} samples, validate on {len(va_x)} samples")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    for epoch in range(epochs):
        model.train()
        loss_sum, hits = 0.0, 0
        for idx in torch.randperm(len(tr_x)).split(batch_size):
            p = model(tr_x[idx])
            loss = F.binary_cross_entropy(p, tr_y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(idx)
            hits += ((p > 0.5).float() == tr_y[idx]).sum().item()
        val_loss, val_acc = evaluate(model, va_x, va_y)
        print(f"Epoch {epoch + 1}/{epochs} - loss: {loss_sum / cut:.4f} - acc: {hits / cut:.4f}"
              f" - val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}")


model = TweetNet()
fit(model, X_train, y1, validation_split=0.30, epochs=4, batch_size=128)
_, acc = evaluate(model, X_test, y_test)
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
