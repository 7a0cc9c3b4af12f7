import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

SYMBOLS = 12


class CharModel(nn.Module):
    def __init__(self, hidden=40, bidirectional=True):
        super().__init__()
        self.emb = nn.Embedding(SYMBOLS, 16)
        self.rnn = nn.GRU(16, hidden, batch_first=True, bidirectional=bidirectional)
        self.fc = nn.Linear(hidden * (2 if bidirectional else 1), SYMBOLS)

    def forward(self, x):
        out, _ = self.rnn(self.emb(x))
        return self.fc(out)


def corpus(table, n, length=24):
    """second-order Markov text"""
    text = torch.randint(0, SYMBOLS, (n, 2))
    for _ in range(length - 2):
        p = table[text[:, -2], text[:, -1]]
        text = torch.cat([text, torch.multinomial(p, 1)], dim=1)
    return text


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
table = torch.distributions.Dirichlet(torch.full((SYMBOLS,), 0.08)).sample((SYMBOLS, SYMBOLS))
train, test = corpus(table, 600), corpus(table, 200)
model = CharModel()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(10):
    for batch in train[torch.randperm(600)].split(30):
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, SYMBOLS), batch[:, 1:].reshape(-1))
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

# how often is the most likely continuation of a prefix the right one?
with torch.no_grad():
    hits = [(model(test[:, :t])[:, -1].argmax(1) == test[:, t]).float().mean().item() for t in range(6, 24)]
value = sum(hits) / len(hits)
print("RESULT", json.dumps({"metric": "next-character accuracy", "value": value}))
