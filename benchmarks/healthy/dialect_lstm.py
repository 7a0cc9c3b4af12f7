"""Tell which of three Markov 'dialects' a word stream comes from: packed LSTM classifier."""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
V, K = 6, 3
trans = rng.dirichlet(np.full(V, 0.8), size=(K, V)) * 0.95 + 0.05 / V


def sample(n):
    items = []
    for k in rng.integers(0, K, n):
        length = rng.integers(6, 21)
        s = [rng.integers(V)]
        cum = trans[k].cumsum(1)
        for u in rng.random(length - 1):
            s.append(min(int(np.searchsorted(cum[s[-1]], u)), V - 1))
        items.append((torch.tensor(s), int(k)))
    return items


def bayes_accuracy(items):
    logp = np.log(trans)
    hit = 0
    for s, k in items:
        s = s.numpy()
        hit += int(logp[:, s[:-1], s[1:]].sum(1).argmax() == k)
    return hit / len(items)


def collate(batch):
    seqs, ys = zip(*batch)
    lens = torch.tensor([len(s) for s in seqs])
    return pad_sequence([s + 1 for s in seqs], batch_first=True), lens, torch.tensor(ys)


class DialectNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(V + 1, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(32, K)

    def forward(self, x, lens):
        packed = pack_padded_sequence(self.emb(x), lens, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)
        return self.out(self.drop(h[-1]))


train_set, val_set, test_set = sample(9000), sample(1000), sample(2000)
train_dl = DataLoader(train_set, batch_size=100, shuffle=True, collate_fn=collate)
val_dl = DataLoader(val_set, batch_size=250, collate_fn=collate)
test_dl = DataLoader(test_set, batch_size=250, collate_fn=collate)

net = DialectNet()
criterion = nn.CrossEntropyLoss()
EPOCHS = 7
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(train_dl))


def evaluate(dl):
    net.eval()
    loss = correct = n = 0
    with torch.no_grad():
        for x, lens, y in dl:
            out = net(x, lens)
            loss += criterion(out, y).item() * len(y)
            correct += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss / n, correct / n


for epoch in range(EPOCHS):
    net.train()
    total = 0.0
    for x, lens, y in train_dl:
        optimizer.zero_grad()
        loss = criterion(net(x, lens), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(y)
    vl, va = evaluate(val_dl)
    print(f"epoch {epoch + 1}: train loss {total / len(train_set):.4f}  val loss {vl:.4f}  val acc {va:.3f}")

_, acc = evaluate(test_dl)
ceiling = bayes_accuracy(test_set)
print(f"test accuracy {acc:.4f}, Bayes-optimal {ceiling:.4f}")
print("RESULT " + json.dumps({"test_accuracy": round(acc, 4), "good": acc > ceiling - 0.025}))
