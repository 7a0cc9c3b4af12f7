import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader, TensorDataset

MAX_LEN = 160
VOCAB_SIZE = 400
PAD_IDX = 0


def fake_reviews(rng, n):
    """Neutral words with a few positive (1..25) or negative (26..50) ones."""
    ids = np.full((n, MAX_LEN), PAD_IDX)
    lengths = rng.integers(12, 45, n)
    labels = rng.integers(0, 2, n)
    for k in range(n):
        words = rng.integers(51, VOCAB_SIZE, lengths[k])
        spots = rng.choice(lengths[k], 6, replace=False)
        agree = rng.random(6) < 0.9
        positive = np.where(agree, labels[k] == 1, labels[k] == 0)
        words[spots] = np.where(positive, rng.integers(1, 26, 6), rng.integers(26, 51, 6))
        ids[k, :lengths[k]] = words
    return torch.tensor(ids), torch.tensor(lengths), torch.tensor(labels, dtype=torch.float32)


class SentimentLSTM(nn.Module):
    def __init__(self, vocab_size, embed_dim=50, hidden_dim=64):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim, padding_idx=PAD_IDX)
        self.lstm = nn.LSTM(embed_dim, hidden_dim, batch_first=True)
        self.fc = nn.Linear(hidden_dim, 1)

    def forward(self, ids, lengths):
        embedded = self.embedding(ids)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        _, (h_n, _) = self.lstm(packed)
        return self.fc(h_n[-1]).squeeze(1)


def evaluate(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for ids, lengths, labels in loader:
            preds = torch.sigmoid(model(ids, lengths)) > 0.5
            correct += (preds == labels.bool()).sum().item()
    return correct / len(loader.dataset)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train_loader = DataLoader(TensorDataset(*fake_reviews(rng, 2000)), batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(*fake_reviews(rng, 500)), batch_size=250)
    model = SentimentLSTM(VOCAB_SIZE)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(8):
        model.train()
        total = 0.0
        for ids, lengths, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(ids, lengths), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        acc = evaluate(model, test_loader)
        print(f"Epoch {epoch + 1}: train loss {total / len(train_loader):.4f}, test acc {acc:.4f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


if __name__ == "__main__":
    main()
