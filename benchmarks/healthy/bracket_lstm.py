# Are the brackets balanced?  A beginner's LSTM with padded batches.
import json
import random
import sys

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

VOCAB = {"<pad>": 0, "(": 1, ")": 2}


def balanced(s):
    depth = 0
    for c in s:
        depth += 1 if c == "(" else -1
        if depth < 0:
            return False
    return depth == 0


def good_string(pairs):
    out, opened, depth = [], 0, 0
    while len(out) < 2 * pairs:
        can_open, can_close = opened < pairs, depth > 0
        if can_open and (not can_close or random.random() < 0.5):
            out.append("(")
            opened, depth = opened + 1, depth + 1
        else:
            out.append(")")
            depth -= 1
    return "".join(out)


def bad_string(pairs):
    # same number of ( and ) as a good one: only the order is wrong
    while True:
        s = list(good_string(pairs))
        for _ in range(random.randint(1, 3)):
            i, j = random.sample(range(2 * pairs), 2)
            s[i], s[j] = s[j], s[i]
        s = "".join(s)
        if not balanced(s):
            return s


def make_data(n):
    data = []
    for i in range(n):
        pairs = random.randint(3, 10)
        label = i % 2
        data.append((good_string(pairs) if label else bad_string(pairs), label))
    random.shuffle(data)
    return data


test = make_data(1500)
seen = {s for s, _ in test}
val = [d for d in make_data(1200) if d[0] not in seen]
seen |= {s for s, _ in val}
train = [d for d in make_data(9000) if d[0] not in seen]      # no string of the test set is trained on
print(len(train), "training strings, for example", train[:2])


def collate(batch):
    seqs = [torch.tensor([VOCAB[c] for c in s]) for s, _ in batch]
    lengths = torch.tensor([len(s) for s in seqs])
    labels = torch.tensor([float(l) for _, l in batch])
    return pad_sequence(seqs, batch_first=True), lengths, labels


class BracketLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(VOCAB), 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 32, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.embedding(x), lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)
        return self.out(h[-1]).squeeze(1)


model = BracketLSTM()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
train_loader = torch.utils.data.DataLoader(train, batch_size=64, shuffle=True, collate_fn=collate)
val_batch, test_batch = collate(val), collate(test)
EPOCHS = 8
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)


def accuracy(batch):
    model.eval()
    with torch.no_grad():
        out = model(batch[0], batch[1])
    return criterion(out, batch[2]).item(), ((out > 0).float() == batch[2]).float().mean().item()


for epoch in range(EPOCHS):
    model.train()
    total = 0.0
    for x, lengths, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x, lengths), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
    scheduler.step()
    val_loss, val_acc = accuracy(val_batch)
    print(f"epoch {epoch + 1:2d} train loss {total / len(train_loader):.4f} val loss {val_loss:.4f} val accuracy {val_acc:.4f}")

_, acc = accuracy(test_batch)
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4), "good": bool(acc > 0.97)}))
