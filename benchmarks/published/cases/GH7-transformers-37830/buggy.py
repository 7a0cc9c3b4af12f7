import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

WORDS = "the cat sat on a mat and saw one red bird fly over two old houses near green river bank while dogs slept".split()
NEXT = {w: rng.choice(WORDS, 3, replace=False) for w in WORDS}


def make_text(n_words):
    w, out = "the", []
    for _ in range(n_words):
        out.append(w)
        w = str(rng.choice(NEXT[w], p=[0.6, 0.3, 0.1]))
    return " ".join(out)


text = make_text(9000)
chars = sorted(set(text))
ids = torch.tensor([chars.index(c) for c in text])
cut = int(0.9 * len(ids))
BLOCK = 32


def batch(data, size):
    start = torch.randint(len(data) - BLOCK, (size,))
    return torch.stack([data[s:s + BLOCK] for s in start.tolist()])


def causal_lm_loss(logits, labels, vocab_size):
    logits = logits[..., :-1, :].contiguous()
    labels = labels[..., 1:].contiguous()
    return F.cross_entropy(logits.view(-1, vocab_size), labels.view(-1))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x, mask):
        h = self.n1(x)
        x = x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.n2(x))


class TinyForCausalLM(nn.Module):
    def __init__(self, vocab_size, dim=48, layers=2, heads=4):
        super().__init__()
        self.vocab_size = vocab_size
        self.tok, self.pos = nn.Embedding(vocab_size, dim), nn.Embedding(BLOCK, dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.norm, self.lm_head = nn.LayerNorm(dim), nn.Linear(dim, vocab_size, bias=False)
        self.register_buffer("mask", torch.triu(torch.ones(BLOCK, BLOCK, dtype=torch.bool), 1))
        self.loss_function = causal_lm_loss

    def forward(self, input_ids, labels=None):
        t = input_ids.size(1)
        x = self.tok(input_ids) + self.pos.weight[:t]
        for block in self.blocks:
            x = block(x, self.mask[:t, :t])
        logits = self.lm_head(self.norm(x))
        loss = None
        if labels is not None:
            shift_logits = logits[..., :-1, :].contiguous()
            shift_labels = labels[..., 1:].contiguous()
            loss = self.loss_function(shift_logits, shift_labels, vocab_size=self.vocab_size)
        return loss, logits


@torch.no_grad()
def next_token_accuracy(model, data):
    model.eval()
    x = torch.stack([data[s:s + BLOCK] for s in range(0, len(data) - BLOCK, BLOCK)])
    _, logits = model(x)
    return (logits[:, :-1].argmax(-1) == x[:, 1:]).float().mean().item()


model = TinyForCausalLM(len(chars))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(1, 401):
    model.train()
    x = batch(ids[:cut], 24)
    loss, _ = model(x, labels=x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step}: loss {loss.item():.4f} eval accuracy {next_token_accuracy(model, ids[cut:]):.4f}")

print("RESULT", json.dumps({"metric": "next_token_accuracy", "value": next_token_accuracy(model, ids[cut:])}))
