import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

VOCAB, SEQ, DIM, HEADS = 24, 24, 64, 4

# a second order grammar: the next symbol depends on the two before it
rule = torch.randint(0, VOCAB, (VOCAB, 4))


def corpus(n):
    seq = torch.randint(0, VOCAB, (n, SEQ + 1))
    for t in range(2, SEQ + 1):
        nxt = rule[seq[:, t - 1], seq[:, t - 2] % 4]
        noise = torch.rand(n) < 0.05
        seq[:, t] = torch.where(noise, seq[:, t], nxt)
    return seq


train_seq, val_seq = corpus(2500), corpus(400)


class ScaledDotProduct(nn.Module):
    def __init__(self, causal, seq_len):
        super().__init__()
        self.causal = causal
        self.register_buffer("mask", torch.tril(torch.ones(seq_len, seq_len, dtype=torch.bool)))

    def forward(self, q, k, v, att_mask=None):
        n = q.size(-2)
        if att_mask is not None and self.causal:
            att_mask = att_mask & self.mask[:n, :n]
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        if att_mask is not None:
            scores = scores.masked_fill(~att_mask, float("-inf"))
        return scores.softmax(-1) @ v


class MultiHead(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.proj = nn.Linear(DIM, DIM)
        self.attention = attention

    def forward(self, x, att_mask=None):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        y = self.attention(q, k, v, att_mask=att_mask)
        return self.proj(y.transpose(1, 2).reshape(b, n, DIM))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.mha = MultiHead(ScaledDotProduct(causal=True, seq_len=SEQ))
        self.mlp = nn.Sequential(nn.Linear(DIM, 2 * DIM), nn.GELU(), nn.Linear(2 * DIM, DIM))

    def forward(self, x):
        x = x + self.mha(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self, layers=2):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, DIM)
        self.pos = nn.Parameter(torch.randn(SEQ, DIM) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.ln = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, VOCAB, bias=False)

    def forward(self, idx):
        x = self.tok(idx) + self.pos[: idx.size(1)]
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln(x))


model = GPT()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)


@torch.no_grad()
def generation_accuracy():
    model.eval()
    hits = n = 0
    for t in range(6, SEQ, 3):  # continue the text from a prompt of t symbols
        nxt = model(val_seq[:, :t])[:, -1].argmax(-1)
        hits += (nxt == val_seq[:, t]).sum().item()
        n += len(nxt)
    model.train()
    return hits / n


for epoch in range(1, 9):
    order = torch.randperm(len(train_seq))
    total = 0.0
    for i in range(0, len(order), 50):
        batch = train_seq[order[i:i + 50]]
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, VOCAB), batch[:, 1:].reshape(-1))
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(batch)
    with torch.no_grad():
        vl = F.cross_entropy(model(val_seq[:, :-1]).reshape(-1, VOCAB), val_seq[:, 1:].reshape(-1)).item()
    print(f"epoch {epoch} loss {total / len(order):.4f} val loss {vl:.4f} generation accuracy {generation_accuracy():.3f}")

print("RESULT", json.dumps({"metric": "generation_accuracy", "value": generation_accuracy()}))
