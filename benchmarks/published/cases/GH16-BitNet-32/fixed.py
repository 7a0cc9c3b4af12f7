"""BitNet-style transformer as a small language model over synthetic phrases."""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

VOCAB, SEQ = 32, 24


class BitLinear(nn.Linear):
    def forward(self, x):
        w = self.weight
        w = w - w.mean()
        wq = torch.sign(w) * w.abs().mean()
        wq = w + (wq - w).detach()
        x = F.layer_norm(x, x.shape[-1:])
        return F.linear(x, wq, self.bias)


class BitFeedForward(nn.Module):
    def __init__(self, dim, mult=4):
        super().__init__()
        self.layer = nn.Sequential(BitLinear(dim, dim * mult), nn.GELU(), BitLinear(dim * mult, dim))

    def forward(self, x):
        return self.layer(x)


class BitMHA(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.heads = heads
        self.qkv = nn.Linear(dim, dim * 3)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        q, k, v = (t.view(b, n, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(o.transpose(1, 2).reshape(b, n, d))


class Transformer(nn.Module):
    def __init__(self, dim, heads, depth):
        super().__init__()
        self.layers = nn.ModuleList(BitMHA(dim, heads) for _ in range(depth))
        self.ffn_layers = nn.ModuleList(BitFeedForward(dim) for _ in range(depth))

    def forward(self, x):
        for attn, ffn in zip(self.layers, self.ffn_layers):
            x = attn(x) + x
            x = ffn(x) + x
        return x


class BitNetTransformer(nn.Module):
    def __init__(self, dim=64, depth=4, heads=4):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, dim)
        self.pos = nn.Parameter(torch.randn(SEQ, dim) * 0.02)
        self.transformer = Transformer(dim, heads, depth)
        self.to_logits = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, VOCAB))

    def forward(self, x):
        return self.to_logits(self.transformer(self.emb(x) + self.pos[: x.size(1)]))


def phrases(n, rng, table):
    out = np.zeros((n, SEQ + 1), dtype=np.int64)
    out[:, :2] = rng.integers(VOCAB, size=(n, 2))
    for t in range(2, SEQ + 1):
        nxt = table[out[:, t - 1], out[:, t - 2] % 4]
        noise = rng.random(n) < 0.05
        out[:, t] = np.where(noise, rng.integers(VOCAB, size=n), nxt)
    return torch.tensor(out)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    table = rng.integers(VOCAB, size=(VOCAB, 4))
    train, val = phrases(4000, rng, table), phrases(500, rng, table)
    model = BitNetTransformer()
    optim = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(350):
        b = train[torch.randint(len(train), (32,))]
        logits = model(b[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, VOCAB), b[:, 1:].reshape(-1))
        optim.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optim.step()
        if step % 50 == 0:
            print(f"step {step} training loss: {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        logits = model(val[:, :-1])
        vl = F.cross_entropy(logits.reshape(-1, VOCAB), val[:, 1:].reshape(-1)).item()
        acc = (logits[:, 1:].argmax(-1) == val[:, 2:]).float().mean().item()
    print("validation accuracy", acc)
    print("RESULT " + json.dumps({"metric": "validation loss", "value": round(vl, 4)}))


if __name__ == "__main__":
    main()
