import json
import sys

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, vocab, dim=24, hidden=32):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.rnn = nn.LSTM(dim, hidden, batch_first=True)

    def forward(self, tokens):
        _, (h, _) = self.rnn(self.emb(tokens))
        return h[-1]


class Matcher(nn.Module):
    """does the answer belong to the question?"""

    def __init__(self, vocab):
        super().__init__()
        self.encoder = Encoder(vocab)
        self.mlp = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, q, a):
        q, a = self.encoder(q), self.encoder(a)
        return self.mlp(torch.cat([q, a], dim=1)).squeeze(1)


def pairs(n):
    topic_q = torch.randint(0, 4, (n,))
    same = torch.rand(n) < 0.5
    topic_a = torch.where(same, topic_q, (topic_q + torch.randint(1, 4, (n,))) % 4)
    draw = lambda t: torch.where(torch.rand(n, 8) < 0.5, t[:, None] * 10 + torch.randint(0, 10, (n, 8)),
                                 torch.randint(40, 100, (n, 8)))
    return draw(topic_q), draw(topic_a), same.float()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
q, a, y = pairs(3000)
q_test, a_test, y_test = pairs(600)
model = Matcher(100)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(10):
    for idx in torch.randperm(3000).split(60):
        loss = criterion(model(q[idx], a[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        acc = ((model(q_test, a_test) > 0) == (y_test > 0.5)).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f} acc {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
