"""Small GIT-style captioner: image patch tokens followed by caption tokens, causal decoding."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
CHARS = ["<pad>", "<bos>", "<eos>", " "] + sorted(set("".join(NAMES) + "adigtblrk"))
STOI = {c: i for i, c in enumerate(CHARS)}
MAXLEN = 14


def encode(caption):
    ids = [1] + [STOI[c] for c in caption] + [2]
    return ids + [0] * (MAXLEN - len(ids))


def causal_lm_loss(logits, labels, vocab_size, ignore_index=-100):
    labels = F.pad(labels, (0, 1), value=ignore_index)
    shift_labels = labels[..., 1:].contiguous()
    return F.cross_entropy(logits.float().view(-1, vocab_size), shift_labels.view(-1), ignore_index=ignore_index)


class Block(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = nn.MultiheadAttention(d, h, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x, mask):
        h = self.ln1(x)
        x = x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class MiniGit(nn.Module):
    def __init__(self, vocab, d=64, h=4, layers=2):
        super().__init__()
        self.vocab = vocab
        self.n_patch = 16
        self.patch = nn.Linear(4, d)
        self.patch_pos = nn.Parameter(torch.randn(self.n_patch, d) * 0.02)
        self.tok = nn.Embedding(vocab, d)
        self.pos = nn.Parameter(torch.randn(MAXLEN, d) * 0.02)
        self.blocks = nn.ModuleList(Block(d, h) for _ in range(layers))
        self.ln = nn.LayerNorm(d)
        self.output = nn.Linear(d, vocab)

    def forward(self, pixels, input_ids, labels=None):
        p = pixels.unfold(1, 2, 2).unfold(2, 2, 2).reshape(-1, self.n_patch, 4)
        x = torch.cat([self.patch(p) + self.patch_pos, self.tok(input_ids) + self.pos[: input_ids.size(1)]], 1)
        n = x.size(1)
        mask = torch.triu(torch.ones(n, n, dtype=torch.bool), 1)
        mask[: self.n_patch, : self.n_patch] = False
        for b in self.blocks:
            x = b(x, mask)
        logits = self.output(self.ln(x))
        loss = None
        if labels is not None:
            shifted_logits = logits[:, self.n_patch:-1, :].contiguous()
            labels = labels[:, 1:].contiguous()
            loss = causal_lm_loss(shifted_logits, labels, self.vocab)
        return loss, logits

    @torch.no_grad()
    def generate(self, pixels):
        ids = torch.ones(len(pixels), 1, dtype=torch.long)
        for _ in range(MAXLEN - 1):
            nxt = self(pixels, ids)[1][:, -1].argmax(-1, keepdim=True)
            ids = torch.cat([ids, nxt], 1)
        return ids


def to_text(row):
    out = []
    for i in row.tolist()[1:]:
        if i == 2:
            break
        out.append(CHARS[i])
    return "".join(out)


def main(seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    d = load_digits()
    img = d.images / 16.0
    bright = np.random.rand(len(img)) < 0.5
    img = np.where(bright[:, None, None], img, 1 - img)
    caps = [("dark " if b else "light ") + NAMES[t] for b, t in zip(bright, d.target)]
    toks = np.array([encode(c) for c in caps])
    idx_tr, idx_te = train_test_split(np.arange(len(img)), test_size=0.2, random_state=seed)
    img = torch.tensor(img, dtype=torch.float32)
    toks = torch.tensor(toks)
    model = MiniGit(len(CHARS))
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(18):
        model.train()
        perm = np.random.permutation(idx_tr)
        tot = 0.0
        for i in range(0, len(perm), 32):
            b = torch.tensor(perm[i:i + 32])
            ids = toks[b]
            labels = ids.masked_fill(ids == 0, -100)
            loss, _ = model(img[b], ids, labels)
            opt.zero_grad()
            loss.backward()
            opt.step()
            tot += loss.item() * len(b)
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1} loss {tot / len(perm):.4f}")
    model.eval()
    te = torch.tensor(idx_te)
    gen = model.generate(img[te])
    hit = np.mean([to_text(g) == caps[j] for g, j in zip(gen, idx_te)])
    print("sample:", to_text(gen[0]), "| reference:", caps[idx_te[0]])
    print("RESULT " + json.dumps({"metric": "caption exact match", "value": round(float(hit), 4)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
