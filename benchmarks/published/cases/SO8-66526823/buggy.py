import json
import math
import random
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

BLANK, START, END = 0, 1, 2
VOCAB = 28
MAX_LEN = 32
D = 64

table = list(range(3, VOCAB))
random.shuffle(table)
lexicon = {w: t for w, t in zip(range(3, VOCAB), table)}


def pad(s):
    return s + [BLANK] * (MAX_LEN - len(s))


def make(n):
    src, dec_in, dec_out = [], [], []
    for _ in range(n):
        s = [random.randint(3, VOCAB - 1) for _ in range(random.randint(2, 6))]
        t = [lexicon[w] for w in s]
        src.append(pad(s))
        dec_in.append(pad([START] + t))
        dec_out.append(pad(t + [END]))
    return torch.tensor(src), torch.tensor(dec_in), torch.tensor(dec_out)


train = make(1500)
val = make(200)


class PositionalEncoding(nn.Module):
    def __init__(self, d):
        super().__init__()
        pos = torch.arange(MAX_LEN).unsqueeze(1).float()
        div = torch.exp(torch.arange(0, d, 2).float() * (-math.log(10000.0) / d))
        pe = torch.zeros(MAX_LEN, d)
        pe[:, 0::2] = torch.sin(pos * div)
        pe[:, 1::2] = torch.cos(pos * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(1)]


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.src_emb = nn.Embedding(VOCAB, D)
        self.tgt_emb = nn.Embedding(VOCAB, D)
        self.pos = PositionalEncoding(D)
        self.transformer = nn.Transformer(D, 4, 1, 1, 128, dropout=0.0, batch_first=True)
        self.out = nn.Linear(D, VOCAB)
        self.register_buffer("causal", torch.triu(torch.ones(MAX_LEN, MAX_LEN, dtype=torch.bool), 1))

    def forward(self, src, tgt):
        src_pad, tgt_pad = src == BLANK, tgt == BLANK
        h = self.transformer(self.pos(self.src_emb(src)), self.pos(self.tgt_emb(tgt)), tgt_mask=self.causal,
                             src_key_padding_mask=src_pad, tgt_key_padding_mask=tgt_pad,
                             memory_key_padding_mask=src_pad)
        return self.out(h)


model = Translator()
optimizer = torch.optim.Adam(model.parameters(), lr=8e-4)


def categorical_crossentropy(pred, target):
    logp = torch.log_softmax(pred, dim=-1)
    loss = -logp.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return loss.mean()


@torch.no_grad()
def evaluate():
    model.eval()
    src, dec_in, dec_out = val
    pred = model(src, dec_in).argmax(-1)
    real = dec_out != BLANK
    model.train()
    return (pred[real] == dec_out[real]).float().mean().item()


batch_size = 32
for epoch in range(1, 5):
    order = torch.randperm(len(train[0]))
    total = 0.0
    for i in range(0, len(order), batch_size):
        idx = order[i:i + batch_size]
        src, dec_in, dec_out = (t[idx] for t in train)
        loss = categorical_crossentropy(model(src, dec_in), dec_out)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    print(f"epoch {epoch} loss {total / len(order):.4f} word accuracy {evaluate():.3f}")

print("RESULT", json.dumps({"metric": "val_word_accuracy", "value": evaluate()}))
