"""Which of three authors wrote this?"""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

VOCAB, LENGTH = 1000, 25


def corpus(n, rng):
    """authors share the common words and differ in a few favourites"""
    zipf = 1.0 / np.arange(1, VOCAB + 1)
    docs, labels = np.zeros((n, LENGTH), dtype=np.int64), rng.integers(0, 3, n)
    dists = []
    author_rng = np.random.default_rng(7)
    for _ in range(3):
        weights = zipf * np.exp(author_rng.normal(0, 0.7, VOCAB))
        dists.append(weights / weights.sum())
    for i, a in enumerate(labels):
        docs[i] = rng.choice(VOCAB, LENGTH, p=dists[a])
    return torch.from_numpy(docs), torch.from_numpy(labels)


class AuthorNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, 48)
        self.dropout = nn.Dropout(0.3)
        self.lstm = nn.LSTM(48, 48, batch_first=True)
        self.fc1 = nn.Linear(48, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 3)
        self.dropout2 = nn.Dropout(0.8)

    def forward(self, text):
        x = self.dropout(self.embedding(text))
        _, (hidden, _) = self.lstm(x)
        x = F.relu(self.dropout2(self.fc1(hidden[-1])))
        x = F.relu(self.dropout2(self.fc2(x)))
        return F.softmax(self.fc3(x), dim=1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    train = DataLoader(TensorDataset(*corpus(1500, rng)), batch_size=64, shuffle=True)
    val_x, val_y = corpus(600, rng)
    model = AuthorNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for epoch in range(10):
        model.train()
        losses = []
        for text, label in train:
            optimizer.zero_grad()
            loss = criterion(model(text), label)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            out = model(val_x)
            val_loss = criterion(out, val_y).item()
            acc = (out.argmax(1) == val_y).float().mean().item()
        print(f"Epoch: {epoch + 1:02} | Train Loss: {np.mean(losses):.3f} | Val. Loss: {val_loss:.3f} | Val. Acc: {acc:.2%}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


main()
