import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

PAD, BOS, EOS, V, L, D = 0, 1, 2, 20, 7, 32


def batch(n):
    src = torch.randint(3, V, (n, L))
    tgt = torch.flip(src, dims=[1])
    dec_in = torch.cat([torch.full((n, 1), BOS), tgt], 1)
    dec_out = torch.cat([tgt, torch.full((n, 1), EOS)], 1)
    return src, dec_in, dec_out


class MultiHead(nn.Module):
    def __init__(self, causality, heads=4):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, D)
        self.heads, self.causality = heads, causality
        self.norm = nn.LayerNorm(D)

    def split(self, t):
        return t.view(t.size(0), t.size(1), self.heads, -1).transpose(1, 2)

    def forward(self, queries, keys):
        q, k, v = self.split(self.q(queries)), self.split(self.k(keys)), self.split(self.v(keys))
        att = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
        if self.causality:
            tril = torch.ones(att.size(-2), att.size(-1)).tril()
            att = att.masked_fill(tril == 0, float("-inf"))
        att = F.softmax(att, dim=-1)
        out = (att @ v).transpose(1, 2).reshape(queries.shape)
        return self.norm(out + queries)


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(D, 4 * D), nn.ReLU(), nn.Linear(4 * D, D))
        self.norm = nn.LayerNorm(D)

    def forward(self, x):
        return self.norm(x + self.net(x))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(V, D)
        self.pos = nn.Embedding(L + 2, D)
        self.enc_att, self.enc_ff = MultiHead(False), FeedForward()
        self.dec_self, self.dec_att, self.dec_ff = MultiHead(True), MultiHead(False), FeedForward()
        self.out = nn.Linear(D, V)

    def embed(self, t):
        return self.emb(t) + self.pos(torch.arange(t.size(1)))

    def forward(self, src, dec_in):
        e = self.embed(src)
        memory = self.enc_ff(self.enc_att(e, e))
        d = self.embed(dec_in)
        d = self.dec_self(d, d)
        d = self.dec_ff(self.dec_att(d, memory))
        return self.out(d)

    @torch.no_grad()
    def translate(self, src):
        ys = torch.full((len(src), 1), BOS)
        for _ in range(L):
            ys = torch.cat([ys, self(src, ys)[:, -1].argmax(-1, keepdim=True)], 1)
        return ys[:, 1:]


model = Transformer()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(1, 701):
    src, dec_in, dec_out = batch(64)
    logits = model(src, dec_in)
    loss = F.cross_entropy(logits.reshape(-1, V), dec_out.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        acc = (logits.argmax(-1) == dec_out).float().mean().item()
        print(f"step {step} train loss {loss.item():.4f} train token accuracy {acc:.3f}")

src, _, dec_out = batch(400)
token_acc = (model.translate(src) == dec_out[:, :L]).float().mean().item()
print("sample", src[0].tolist(), "->", model.translate(src[:1])[0].tolist())
print("RESULT", json.dumps({"metric": "decoded_token_accuracy", "value": float(token_acc)}))
