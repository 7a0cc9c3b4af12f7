"""The next letter of a text that a small grammar writes. An LSTM that reads 30 letters."""
import json
import random
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

WORDS = ["the", "cat", "dog", "sees", "hears", "a", "bird", "small", "old", "tree"]
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
WINDOW, BATCH, EPOCHS, LR = 30, 16, 8, 5e-3

random.seed(11)
text = " ".join(random.choice(WORDS) for _ in range(4000))
letters = sorted(set(text))
codes = torch.tensor([letters.index(c) for c in text])
cut = int(0.9 * len(codes))
train, valid = codes[:cut], codes[cut:]


def windows(part):
    whole = part[: len(part) // (WINDOW + 1) * (WINDOW + 1)].view(-1, WINDOW + 1)
    return whole[:, :-1], whole[:, 1:]


class Speller(nn.Module):
    def __init__(self, n, width=48):
        super().__init__()
        self.embed = nn.Embedding(n, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, n)

    def forward(self, x):
        out, _ = self.lstm(self.embed(x))
        return self.head(out)


def evaluate(model):
    x, y = windows(valid)
    model.eval()
    with torch.no_grad():
        out = model(x)
    loss = F.cross_entropy(out.transpose(1, 2), y).item()
    return loss, (out.argmax(-1) == y).float().mean().item()


def train_model():
    torch.manual_seed(SEED)
    model = Speller(len(letters))
    opt = torch.optim.Adam(model.parameters(), lr=LR)
    x, y = windows(train)
    for epoch in range(EPOCHS):
        model.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            opt.zero_grad()
            out = model(x[rows])
            loss = F.cross_entropy(out.reshape(-1, len(letters)), y[rows].reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
        print("epoch %d: valid loss %.3f, accuracy %.3f" % (epoch, *evaluate(model)))
    return model


accuracy = evaluate(train_model())[1]
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
