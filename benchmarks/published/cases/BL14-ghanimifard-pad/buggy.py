"""Describe a colour in words: an RNN chain, in the spirit of Monroe et al. 2016."""
import colorsys
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

HUES = ["red", "orange", "yellow", "lime", "green", "teal", "cyan", "azure", "blue", "purple", "magenta", "pink"]
MODS = ["dark", "bright", "pale", "deep", "dull", "vivid"]
VOCAB = ["<pad>", "<s>", "</s>"] + MODS + HUES
W2I = {w: i for i, w in enumerate(VOCAB)}
NUM_STEPS = 30
PAD = W2I["<pad>"]


def describe(h, s, v):
    words = []
    if v < 0.4:
        words.append("dark")
    elif v > 0.8:
        words.append("bright")
    if s < 0.35:
        words.append("pale")
    elif s > 0.8:
        words.append("deep" if v < 0.6 else "vivid")
    elif v < 0.6:
        words.append("dull")
    words.append(HUES[int(h * len(HUES)) % len(HUES)])
    return words


def build(n, rng):
    colors, inp, out = [], [], []
    for _ in range(n):
        h, s, v = rng.uniform(0, 1), rng.uniform(0.15, 1), rng.uniform(0.2, 1)
        ids = [W2I[w] for w in describe(h, s, v)]
        x = [W2I["<s>"]] + ids
        y = ids + [W2I["</s>"]]
        inp.append(x + [PAD] * (NUM_STEPS - len(x)))
        out.append(y + [PAD] * (NUM_STEPS - len(y)))
        colors.append([*colorsys.hsv_to_rgb(h, s, v), np.sin(2 * np.pi * h), np.cos(2 * np.pi * h), s, v])
    return torch.tensor(colors, dtype=torch.float32), torch.tensor(inp), torch.tensor(out)


class ColorDescriber(nn.Module):
    def __init__(self, emb=24, hidden=48):
        super().__init__()
        self.emb = nn.Embedding(len(VOCAB), emb)
        self.rnn = nn.GRU(emb + 7, hidden, batch_first=True)
        self.out = nn.Linear(hidden, len(VOCAB))

    def forward(self, color, words):
        c = color.unsqueeze(1).expand(-1, words.size(1), -1)
        h, _ = self.rnn(torch.cat([self.emb(words), c], dim=-1))
        return self.out(h)


def sequence_loss(logits, targets):
    return F.cross_entropy(logits.reshape(-1, len(VOCAB)), targets.reshape(-1))


def evaluate(model, color, inp, out):
    with torch.no_grad():
        pred = model(color, inp).argmax(-1)
    all_acc = (pred == out).float().mean().item()
    word = out != PAD
    return all_acc, (pred[word] == out[word]).float().mean().item()


rng = np.random.default_rng(seed)
train = build(3000, rng)
valid = build(600, rng)
model = ColorDescriber()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
print("vocabulary", len(VOCAB), "steps", NUM_STEPS)

for epoch in range(18):
    total = 0.0
    for idx in torch.randperm(len(train[0])).split(50):
        optimizer.zero_grad()
        loss = sequence_loss(model(train[0][idx], train[1][idx]), train[2][idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    acc, word_acc = evaluate(model, *valid)
    print("epoch %2d  loss %.4f  accuracy %.4f  word accuracy %.4f" % (epoch + 1, total / len(train[0]), acc, word_acc))

print("RESULT " + json.dumps({"metric": "valid_word_accuracy", "value": round(word_acc, 4)}))
