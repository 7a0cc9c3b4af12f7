import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

vocab_size = 24
context = 24
g = torch.Generator().manual_seed(11)
table = torch.stack([torch.randperm(vocab_size, generator=g) for _ in range(vocab_size)])


def sample_sequences(n):
    seq = torch.randint(0, vocab_size, (n, context + 1))
    for t in range(2, context + 1):
        nxt = table[seq[:, t - 1] // 4 * 4, (seq[:, t - 2] // 8) * 8]
        keep = torch.rand(n) < 0.9
        seq[:, t] = torch.where(keep, nxt, seq[:, t])
    return seq[:, :-1], seq[:, 1:]


class Head(nn.Module):
    def __init__(self, dim_token, dim_qkv, head):
        super().__init__()
        self.head, self.dim_qkv = head, dim_qkv
        self.proj = nn.Linear(dim_token, dim_qkv * head * 3)
        self.merge = nn.Linear(dim_qkv * head, dim_token)

    def forward(self, x):
        b, t, _ = x.shape
        parts = self.proj(x).split(self.dim_qkv, dim=-1)
        outs = []
        mask = torch.tril(torch.ones(t, t)) == 0
        for h in range(self.head):
            q, k, v = parts[3 * h], parts[3 * h + 1], parts[3 * h + 2]
            score = (q @ k.transpose(1, 2)) / self.dim_qkv ** 0.5
            outs.append(F.softmax(score.masked_fill(mask, float("-inf")), dim=-1) @ v)
        return self.merge(torch.cat(outs, dim=-1))


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.att = Head(dim, 16, 3)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ffn = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        x = self.norm1(x + self.att(x))
        return self.norm2(x + self.ffn(x))


class MyTransformer(nn.Module):
    def __init__(self, dim=48, depth=3):
        super().__init__()
        self.token = nn.Embedding(vocab_size, dim)
        self.place = nn.Embedding(context, dim)
        self.blocks = nn.Sequential(*[Block(dim) for _ in range(depth)])
        self.out = nn.Linear(dim, vocab_size)

    def forward(self, x, y=None):
        h = self.token(x) + self.place(torch.arange(x.shape[1]))
        logits = self.out(self.blocks(h))
        if y is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, vocab_size), y.reshape(-1))


model = MyTransformer()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
test_x, test_y = sample_sequences(300)
for step in range(220):
    x, y = sample_sequences(32)
    logits, loss = model(x, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 40 == 0:
        print("step", step, "loss", round(loss.item(), 4))

model.eval()
with torch.no_grad():
    logits, test_loss = model(test_x, test_y)
print("RESULT", json.dumps({"metric": "test loss", "value": test_loss.item()}))
