"""Learning the bracket language  < word >  with recurrent nets.

A word is valid if it starts with '<', ends in '>' and its brackets match, e.g. <aab()c((c)ba)>.
"""
import sys
import json
import random
import torch
import torch.nn as nn
import torch.nn.functional as F

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

ALPHABET = "<>abc()"
PAD = len(ALPHABET)
MAX_LEN = 16


def inner(n):
    """a random balanced string with n symbols"""
    if n <= 0:
        return ""
    if n == 1 or random.random() < 0.35:
        return random.choice("abc") + inner(n - 1)
    k = random.randint(0, n - 2)
    return "(" + inner(k) + ")" + inner(n - 2 - k)


def spoil(word):
    w = list(word)
    where = [i for i, c in enumerate(w) if c in "()"]
    kind = random.random()
    if where and kind < 0.45:                       # turn one bracket round
        i = random.choice(where)
        w[i] = ")" if w[i] == "(" else "("
    elif where and kind < 0.8:                      # one bracket becomes a letter
        w[random.choice(where)] = random.choice("abc")
    elif kind < 0.9:
        w[0] = random.choice("abc()")
    else:
        w[-1] = random.choice("abc()<")
    return "".join(w)


def make_data(n):
    words, labels = [], []
    while len(words) < n:
        w = "<" + inner(random.randint(4, MAX_LEN - 2)) + ">"
        good = random.random() < 0.5
        words.append(w if good else spoil(w))
        labels.append(float(good))
    x = torch.full((n, MAX_LEN), PAD, dtype=torch.long)
    for i, w in enumerate(words):
        x[i, :len(w)] = torch.tensor([ALPHABET.index(c) for c in w])
    lengths = torch.tensor([len(w) for w in words])
    return x, lengths, torch.tensor(labels)


class RNN(nn.Module):
    """Everything that the different infrastructures share; a subclass says how a step is made."""

    def __init__(self, hidden_size, lr=0.005):
        super().__init__()
        self.hidden_size = hidden_size
        self.embed = nn.Embedding(len(ALPHABET) + 1, 12)
        self.cell = nn.Linear(12 + hidden_size, hidden_size)
        self.readout = nn.Linear(hidden_size, 1)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=lr)

    def step(self, x, state):
        raise NotImplementedError

    def initial_state(self, n):
        return torch.zeros(n, self.hidden_size)

    def output(self, state):
        return state

    def forward(self, x, lengths):
        state = self.initial_state(len(x))
        e = self.embed(x)
        last = torch.zeros(len(x), self.hidden_size)
        for t in range(x.shape[1]):
            state = self.step(e[:, t], state)
            here = (lengths == t + 1).float().unsqueeze(1)
            last = last + here * self.output(state)
        return self.readout(last).squeeze(1)

    def fit(self, data, epochs, batch_size=64):
        x, lengths, y = data
        for epoch in range(epochs):
            perm = torch.randperm(len(x))
            total = 0.0
            for i in range(0, len(perm), batch_size):
                idx = perm[i:i + batch_size]
                self.optimizer.zero_grad()
                loss = F.binary_cross_entropy_with_logits(self(x[idx], lengths[idx]), y[idx])
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters(), 1.0)
                self.optimizer.step()
                total += loss.item() * len(idx)
            print("epoch %2d  loss %.4f" % (epoch + 1, total / len(perm)))

    def accuracy(self, data):
        x, lengths, y = data
        with torch.no_grad():
            return ((self(x, lengths) > 0).float() == y).float().mean().item()


class MemoryRNN(RNN):
    """with memory: an LSTM cell instead of the plain layer, and a deeper readout"""

    def __init__(self, hidden_size, **kw):
        super().__init__(hidden_size, **kw)
        self.cell = nn.LSTMCell(12, hidden_size)
        self.readout = nn.Sequential(nn.Linear(hidden_size, 16), nn.Tanh(), nn.Linear(16, 1))

    def initial_state(self, n):
        return torch.zeros(n, self.hidden_size), torch.zeros(n, self.hidden_size)

    def output(self, state):
        return state[0]

    def step(self, x, state):
        return self.cell(x, state)


train_data = make_data(3000)
test_data = make_data(1000)
model = MemoryRNN(32)
print("parameters:", sum(p.numel() for p in model.parameters()))
model.fit(train_data, epochs=16)
acc = model.accuracy(test_data)
print("train acc %.3f  test acc %.3f" % (model.accuracy(train_data), acc))
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4)}))
