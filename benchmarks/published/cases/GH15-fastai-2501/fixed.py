"""Text classification with a small recurrent encoder, one-cycle schedule."""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

torch.set_num_threads(1)


class TextFolder(Dataset):
    """Reviews listed folder by folder: first neg/, then pos/."""

    def __init__(self, n, seed, vocab=600, maxlen=30):
        rng = np.random.default_rng(seed)
        half = vocab // 2
        self.items = []
        for label in (0, 1):
            for _ in range(n // 2):
                ln = int(rng.integers(15, maxlen + 1))
                toks = rng.integers(2 + 200, vocab, ln)                     # neutral words
                k = max(3, int(ln * 0.3))
                where = rng.choice(ln, k, replace=False)
                own = rng.random(k) < 0.75
                pol = np.where(own, label, 1 - label)
                toks[where] = 2 + pol * 100 + rng.integers(0, 100, k)       # 100 words a polarity
                self.items.append((toks, label))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class DistributedSampler(Sampler):
    """Part of the data that belongs to one process."""

    def __init__(self, dataset, num_replicas=1, rank=0, shuffle=False):
        self.n, self.num_replicas, self.rank, self.shuffle = len(dataset), num_replicas, rank, shuffle
        self.epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        if self.shuffle:
            g = torch.Generator()
            g.manual_seed(self.epoch)
            indices = torch.randperm(self.n, generator=g).tolist()
        else:
            indices = list(range(self.n))
        return iter(indices[self.rank::self.num_replicas])

    def __len__(self):
        return self.n // self.num_replicas


def pad_collate(samples, pad_idx=1, pad_first=True):
    maxlen = max(len(s[0]) for s in samples)
    res = torch.full((len(samples), maxlen), pad_idx, dtype=torch.long)
    for i, (t, _) in enumerate(samples):
        if pad_first:
            res[i, -len(t):] = torch.as_tensor(t)
        else:
            res[i, :len(t)] = torch.as_tensor(t)
    return res, torch.tensor([s[1] for s in samples])


class TextClassifier(nn.Module):
    def __init__(self, vocab=600, emb=32, nh=48):
        super().__init__()
        self.encoder = nn.Embedding(vocab, emb, padding_idx=1)
        self.rnn = nn.LSTM(emb, nh, batch_first=True)
        self.layers = nn.Sequential(nn.Dropout(0.2), nn.Linear(3 * nh, 32), nn.ReLU(), nn.Dropout(0.1),
                                    nn.Linear(32, 2))

    def forward(self, x):
        out, _ = self.rnn(self.encoder(x))
        return self.layers(torch.cat([out[:, -1], out.max(1)[0], out.mean(1)], 1))


def validate(model, dl):
    model.eval()
    hit = tot = 0
    loss = 0.0
    with torch.no_grad():
        for x, y in dl:
            p = model(x)
            loss += nn.functional.cross_entropy(p, y, reduction='sum').item()
            hit += (p.argmax(1) == y).sum().item()
            tot += len(y)
    model.train()
    return loss / tot, hit / tot


def fit_one_cycle(model, train_dl, valid_dl, epochs, max_lr):
    opt = torch.optim.Adam(model.parameters(), lr=max_lr, betas=(0.9, 0.99))
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr, total_steps=epochs * len(train_dl), pct_start=0.3)
    print('epoch     train_loss  valid_loss  accuracy')
    for epoch in range(epochs):
        train_dl.sampler.set_epoch(epoch)
        smooth = None
        for x, y in train_dl:
            loss = nn.functional.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
        vl, acc = validate(model, valid_dl)
        print(f'{epoch:<9} {smooth:.6f}    {vl:.6f}    {acc:.6f}')
    return acc


if __name__ == '__main__':
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    train_ds, valid_ds = TextFolder(3000, seed), TextFolder(1000, 100 + seed)
    train_dl = DataLoader(train_ds, batch_size=32, sampler=DistributedSampler(train_ds, shuffle=True), collate_fn=pad_collate)
    valid_dl = DataLoader(valid_ds, batch_size=64, collate_fn=pad_collate)
    model = TextClassifier()
    acc = fit_one_cycle(model, train_dl, valid_dl, 5, 5e-3)
    print('RESULT ' + json.dumps({"metric": "valid_accuracy", "value": acc}))
