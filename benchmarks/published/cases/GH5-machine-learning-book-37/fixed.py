# Sentiment of reviews with an embedding and an LSTM
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

VOCAB = 300


def reviews(n):
    data = []
    for _ in range(n):
        label = int(rng.integers(0, 2))
        words = rng.integers(61, VOCAB, rng.integers(10, 30))
        spots = rng.choice(len(words), 4, replace=False)
        words[spots] = rng.integers(1, 31, 4) + 30 * np.where(rng.random(4) < 0.85, label, 1 - label)
        data.append((label, torch.tensor(words)))
    return data


def collate_batch(batch):
    labels = torch.tensor([label for label, _ in batch])
    lengths = torch.tensor([len(text) for _, text in batch])
    return pad_sequence([text for _, text in batch], batch_first=True), labels, lengths


class RNN(nn.Module):
    def __init__(self, vocab_size, embed_dim, rnn_hidden_size, fc_hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim, padding_idx=0)
        self.rnn = nn.LSTM(embed_dim, rnn_hidden_size, batch_first=True)
        self.fc1 = nn.Linear(rnn_hidden_size, fc_hidden_size)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(fc_hidden_size, 2)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, text, lengths):
        out = self.embedding(text)
        out = pack_padded_sequence(out, lengths, enforce_sorted=False, batch_first=True)
        out, (hidden, cell) = self.rnn(out)
        out = self.relu(self.fc1(hidden[-1]))
        return self.softmax(self.fc2(out))


def run(dataloader, train):
    model.train(train)
    total_acc, total_loss = 0, 0
    with torch.set_grad_enabled(train):
        for text, label, lengths in dataloader:
            pred = model(text, lengths)
            loss = loss_fn(pred, label)
            if train:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total_acc += (pred.argmax(1) == label).sum().item()
            total_loss += loss.item() * label.size(0)
    return total_acc / len(dataloader.dataset), total_loss / len(dataloader.dataset)


train_dl = DataLoader(reviews(2400), batch_size=32, shuffle=True, collate_fn=collate_batch)
test_dl = DataLoader(reviews(500), batch_size=64, collate_fn=collate_batch)
model = RNN(VOCAB, 20, 64, 64)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
for epoch in range(5):
    acc_train, loss_train = run(train_dl, True)
    acc_valid, loss_valid = run(test_dl, False)
    print(f"Epoch {epoch} loss {loss_train:.4f} accuracy: {acc_train:.4f} val_loss {loss_valid:.4f} val_accuracy: {acc_valid:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc_valid}))
