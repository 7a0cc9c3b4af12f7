import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCAB, LENGTH, DIM, HEADS = 12, 16, 48, 1


class Attention(nn.Module):
    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def split(self, x):
        b, t, d = x.shape
        return x.view(b, t, self.heads, d // self.heads).transpose(1, 2)

    def forward(self, x):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        att = (q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))).softmax(-1)
        y = F.dropout(att, self.dropout, training=self.training) @ v
        return self.out(y.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, DIM)
        self.flag = nn.Embedding(2, DIM)
        self.cls = nn.Parameter(torch.randn(1, 1, DIM) * 0.1)
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.att = Attention(DIM, HEADS, dropout=0.3)
        self.mlp = nn.Sequential(nn.Linear(DIM, 2 * DIM), nn.GELU(), nn.Linear(2 * DIM, DIM))
        self.head = nn.Linear(DIM, VOCAB)

    def forward(self, tokens, flags):
        x = self.tok(tokens) + self.flag(flags)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        x = x + self.att(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(x[:, 0])


def batch(n):
    """one position in every sequence is flagged; its token is the answer"""
    tokens = torch.randint(VOCAB, (n, LENGTH))
    where = torch.randint(LENGTH, (n,))
    return tokens, F.one_hot(where, LENGTH), tokens[torch.arange(n), where]


def evaluate(model, data):
    model.eval()
    with torch.no_grad():
        logits = model(*data[:2])
        acc = (logits.argmax(1) == data[2]).float().mean().item()
        return F.cross_entropy(logits, data[2]).item(), acc


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    model = Encoder()
    steps = 400
    opt = torch.optim.AdamW(model.parameters(), lr=3e-3)
    sched = torch.optim.lr_scheduler.LambdaLR(
        opt, lambda s: min(1.0, (s + 1) / 20) * 0.5 * (1 + math.cos(math.pi * s / steps)))
    held_out = batch(1000)
    for step in range(steps):
        model.train()
        tokens, flags, target = batch(64)
        loss = F.cross_entropy(model(tokens, flags), target)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        if (step + 1) % 50 == 0:
            val_loss, acc = evaluate(model, held_out)
            print(f"step {step + 1}: loss {loss.item():.3f}, val loss {val_loss:.3f}, val acc {acc:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


if __name__ == "__main__":
    main()
