"""Sentiment of short reviews: packed bidirectional LSTM, padded batches, the best model on validation is kept."""
import copy
import json
import random
import sys
import time
from collections import Counter

import torch
import torch.nn as nn
import torch.optim as optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(SEED)
torch.manual_seed(SEED)

GOOD = "good great lovely superb moving funny brilliant fresh charming clever warm gripping".split()
BAD = "bad awful dull boring weak clumsy stale flat silly tired lifeless cheap".split()
NOUNS = "film plot cast ending script music camera dialogue story hero villain pace scene lead sound".split()
FILLER = [f"word{i}" for i in range(250)]
DEGREE = "very really quite rather so".split()


def clause(sign):
    """A remark of the sign, one in four by a negated word of the other sign."""
    negated = random.random() < 0.25
    words = [random.choice(["the", "its", "this"]), random.choice(NOUNS), "is"]
    words += ["not"] if negated else []
    words += [random.choice(DEGREE)] if random.random() < 0.4 else []
    return words + [random.choice(GOOD if (sign > 0) != negated else BAD)]


def review():
    label = random.randint(0, 1)
    tone = 1 if label else -1
    signs = [tone] * random.choice([1, 2, 2, 3])
    if len(signs) >= 2 and random.random() < 0.4:
        signs.append(-tone)  # a remark the other way, outnumbered
    random.shuffle(signs)
    words = []
    for sign in signs:
        words += random.choices(FILLER, k=random.randint(0, 3)) + clause(sign)
    return words + random.choices(FILLER, k=random.randint(0, 4)), label


train_data, valid_data, test_data = ([review() for _ in range(n)] for n in (4000, 600, 1000))
counts = Counter(w for words, _ in train_data for w in words)
itos = ["<unk>", "<pad>"] + [w for w, c in counts.most_common() if c >= 2]
stoi = {w: i for i, w in enumerate(itos)}
PAD_IDX = stoi["<pad>"]


def collate(batch):
    ids = [torch.tensor([stoi.get(w, 0) for w in words]) for words, _ in batch]
    lengths = torch.tensor([len(i) for i in ids])
    return pad_sequence(ids, batch_first=True, padding_value=PAD_IDX), lengths, torch.tensor([float(y) for _, y in batch])


train_iterator = DataLoader(train_data, batch_size=64, shuffle=True, collate_fn=collate)
valid_iterator = DataLoader(valid_data, batch_size=200, collate_fn=collate)
test_iterator = DataLoader(test_data, batch_size=200, collate_fn=collate)


class RNN(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim, n_layers, dropout, pad_idx):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_idx)
        self.rnn = nn.LSTM(embedding_dim, hidden_dim, num_layers=n_layers, bidirectional=True, dropout=dropout,
                           batch_first=True)
        self.fc = nn.Linear(hidden_dim * 2, output_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, text, lengths):
        embedded = self.dropout(self.embedding(text))
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, cell) = self.rnn(packed)
        hidden = self.dropout(torch.cat((hidden[-2], hidden[-1]), dim=1))
        return self.fc(hidden)


def binary_accuracy(preds, y):
    return (torch.round(torch.sigmoid(preds)) == y).float().mean().item()


def train(model, iterator, optimizer, criterion):
    epoch_loss = epoch_acc = 0
    model.train()
    for text, lengths, label in iterator:
        optimizer.zero_grad()
        predictions = model(text, lengths).squeeze(1)
        loss = criterion(predictions, label)
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
        epoch_acc += binary_accuracy(predictions, label)
    return epoch_loss / len(iterator), epoch_acc / len(iterator)


def evaluate(model, iterator, criterion):
    epoch_loss = epoch_acc = 0
    model.eval()
    with torch.no_grad():
        for text, lengths, label in iterator:
            predictions = model(text, lengths).squeeze(1)
            epoch_loss += criterion(predictions, label).item()
            epoch_acc += binary_accuracy(predictions, label)
    return epoch_loss / len(iterator), epoch_acc / len(iterator)


model = RNN(len(itos), 50, 32, 1, 2, 0.3, PAD_IDX)
print(f"The model has {sum(p.numel() for p in model.parameters() if p.requires_grad):,} trainable parameters")
optimizer = optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.BCEWithLogitsLoss()

best_valid_loss, best_model = float("inf"), None
for epoch in range(4):
    start = time.time()
    train_loss, train_acc = train(model, train_iterator, optimizer, criterion)
    valid_loss, valid_acc = evaluate(model, valid_iterator, criterion)
    if valid_loss < best_valid_loss:
        best_valid_loss = valid_loss
        best_model = copy.deepcopy(model.state_dict())
    print(f"Epoch: {epoch + 1:02} | Epoch Time: {time.time() - start:.1f}s")
    print(f"\tTrain Loss: {train_loss:.3f} | Train Acc: {train_acc * 100:.2f}%")
    print(f"\t Val. Loss: {valid_loss:.3f} |  Val. Acc: {valid_acc * 100:.2f}%")

model.load_state_dict(best_model)
test_loss, test_acc = evaluate(model, test_iterator, criterion)
print(f"Test Loss: {test_loss:.3f} | Test Acc: {test_acc * 100:.2f}%")
print("RESULT", json.dumps({"metric": "test accuracy", "value": round(test_acc, 4), "good": test_acc >= 0.93}))
