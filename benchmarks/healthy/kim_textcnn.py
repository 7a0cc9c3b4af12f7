"""Kim-style text CNN on synthetic reviews: sentiment words, negation, filler words."""
import json
import random
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(SEED)
random.seed(SEED)
POS = ["good", "great", "lovely", "fresh", "superb", "tasty", "friendly", "clean"]
NEG = ["bad", "awful", "bland", "stale", "rude", "dirty", "slow", "cold"]
NOT = ["not", "never", "hardly"]
FILL = [f"w{i}" for i in range(120)]


def review():
    label = random.randint(0, 1)
    words = random.choices(FILL, k=random.randint(8, 16))
    for _ in range(random.choice([1, 1, 2])):
        if random.random() < 0.4:
            phrase = [random.choice(NOT), random.choice(NEG if label else POS)]
        else:
            phrase = [random.choice(POS if label else NEG)]
        at = random.randint(0, len(words))
        while at and words[at - 1] in NOT:
            at -= 1
        words[at:at] = phrase
    return words, label


class Reviews(Dataset):
    def __init__(self, data, vocab):
        self.rows = [(torch.tensor([vocab.get(w, 1) for w in ws] + [0] * (22 - len(ws))), y) for ws, y in data]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


class TextCNN(nn.Module):
    def __init__(self, n_vocab, dim=32, n_filters=24, sizes=(2, 3, 4)):
        super().__init__()
        self.embedding = nn.Embedding(n_vocab, dim, padding_idx=0)
        self.convs = nn.ModuleList([nn.Conv1d(dim, n_filters, k, padding=k - 1) for k in sizes])
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(n_filters * len(sizes), 2)

    def forward(self, ids):
        e = self.embedding(ids).transpose(1, 2)
        pooled = [F.relu(c(e)).amax(2) for c in self.convs]
        return self.fc(self.dropout(torch.cat(pooled, 1)))


train_raw, val_raw, test_raw = [[review() for _ in range(n)] for n in (6000, 800, 1500)]
vocab = {"<pad>": 0, "<unk>": 1}
for ws, _ in train_raw:
    for w in ws:
        vocab.setdefault(w, len(vocab))
train_loader = DataLoader(Reviews(train_raw, vocab), batch_size=64, shuffle=True)
val_loader = DataLoader(Reviews(val_raw, vocab), batch_size=400)
test_loader = DataLoader(Reviews(test_raw, vocab), batch_size=500)

model = TextCNN(len(vocab))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
N_EPOCHS = 6


def evaluate(loader):
    model.eval()
    loss, hit, n = 0.0, 0, 0
    with torch.no_grad():
        for ids, y in loader:
            out = model(ids)
            loss += F.cross_entropy(out, y, reduction="sum").item()
            hit += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss / n, hit / n


for epoch in range(N_EPOCHS):
    model.train()
    total = 0.0
    for ids, y in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    vl, va = evaluate(val_loader)
    print(f"Epoch {epoch + 1}: train loss {total / len(train_raw):.4f} | val loss {vl:.4f} val acc {va:.4f}")
tl, ta = evaluate(test_loader)
print(f"test loss {tl:.4f} acc {ta:.4f}")
print("RESULT " + json.dumps({"test_accuracy": round(ta, 4), "good": ta > 0.975}))
