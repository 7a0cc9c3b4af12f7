"""Sentiment of short reviews (word ids)."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn

VOCAB, LENGTH = 800, 60


def reviews(n, rng):
    base = 1.0 / np.arange(1, VOCAB)
    tone = np.random.default_rng(3).normal(0, 0.6, VOCAB - 1)
    docs, labels = np.zeros((n, LENGTH), dtype=np.int64), rng.integers(0, 2, n)
    for i, label in enumerate(labels):
        p = base * np.exp(tone if label else -tone)
        words = rng.choice(VOCAB - 1, rng.integers(30, LENGTH), p=p / p.sum()) + 1
        docs[i, -len(words):] = words  # padded in front
    return docs, labels


def to_input(docs):
    counts = torch.zeros(len(docs), VOCAB).scatter_add_(1, torch.tensor(docs), torch.ones(docs.shape))
    return (counts > 0).float()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    docs, labels = reviews(2000, rng)
    x, y = to_input(docs), torch.tensor(labels)
    x_train, y_train, x_test, y_test = x[:1500], y[:1500], x[1500:], y[1500:]

    model = nn.Sequential(nn.Linear(x.size(1), 12), nn.Sigmoid(), nn.Linear(12, 2))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for epoch in range(12):
        total = 0.0
        for idx in torch.randperm(1500).split(32):
            optimizer.zero_grad()
            loss = criterion(model(x_train[idx]), y_train[idx])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
        print(f"epoch {epoch}: loss {total / 1500:.4f}")
    with torch.no_grad():
        acc = (model(x_test).argmax(1) == y_test).float().mean().item()
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


main()
