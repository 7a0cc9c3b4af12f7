"""mini-GPT on a small command language; the checkpoint is judged by what it can predict from a prefix."""
import json
import math
import sys
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

VOCAB, T, D, HEADS, LAYERS = 32, 24, 64, 4, 2
TABLE = np.random.RandomState(1234).permutation(VOCAB * VOCAB).reshape(VOCAB, VOCAB) % VOCAB


def make_corpus(n):
    """next token is decided by the current one and a key given at the start; one token in ten is random"""
    key = rng.randint(4, size=n)
    seq = np.zeros((n, T + 1), dtype=np.int64)
    seq[:, 0] = key
    seq[:, 1] = rng.randint(VOCAB, size=n)
    for t in range(2, T + 1):
        nxt = TABLE[key, seq[:, t - 1]]
        noise = rng.rand(n) < 0.1
        seq[:, t] = np.where(noise, rng.randint(VOCAB, size=n), nxt)
    return torch.from_numpy(seq)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(D, 3 * D)
        self.out = nn.Linear(D, D)

    def forward(self, x, mask=None):
        B, L, _ = x.shape
        q, k, v = self.qkv(x).view(B, L, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(D // HEADS)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, L, D))


class TransformerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.attention = Attention()
        self.ffn = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))

    def forward(self, x, causal_mask):
        h = self.norm1(x)
        x = x + self.attention(h, mask=None)
        return x + self.ffn(self.norm2(x))


class MiniGPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, D)
        self.pos = nn.Embedding(T, D)
        self.blocks = nn.ModuleList(TransformerBlock() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(D)
        self.head = nn.Linear(D, VOCAB)

    def forward(self, idx):
        L = idx.shape[1]
        x = self.tok(idx) + self.pos(torch.arange(L))
        causal_mask = torch.tril(torch.ones(L, L, dtype=torch.bool))
        for block in self.blocks:
            x = block(x, causal_mask)
        return self.head(self.norm(x))


train, held = make_corpus(4000), make_corpus(400)
model = MiniGPT()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
EPOCHS = 10
for epoch in range(EPOCHS):
    tot = 0.0
    for idx in torch.randperm(len(train)).split(64):
        batch = train[idx]
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, VOCAB), batch[:, 1:].reshape(-1))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        tot += loss.item() * len(idx)
    print(f"epoch {epoch} train loss {tot / len(train):.4f}")

# generation setting: only the prefix exists
model.eval()
hits = []
with torch.no_grad():
    for t in range(4, T + 1):
        p = model(held[:, :t])[:, -1].argmax(-1)
        if t < held.shape[1]:
            hits.append((p == held[:, t]).float().mean().item())
acc = float(np.mean(hits))
print("RESULT", json.dumps({"metric": "next_token_accuracy_from_prefix", "value": round(acc, 4)}))
