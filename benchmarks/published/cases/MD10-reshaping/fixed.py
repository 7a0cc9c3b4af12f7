import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

VOCAB = 200
TOPICS = 4


class Sentences(Dataset):
    """each topic prefers its own bigrams; words themselves are shared between topics"""

    def __init__(self, n, length=16):
        rng = np.random.default_rng(seed + n)
        self.labels = rng.integers(0, TOPICS, n)
        self.tokens = rng.integers(20, VOCAB, (n, length))
        for i, lab in enumerate(self.labels):
            for p in rng.choice(np.arange(0, length - 1, 2), 4, replace=False):
                w = rng.integers(0, 20)
                self.tokens[i, p] = w
                self.tokens[i, p + 1] = (w + 1 + lab * 5) % 20

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return torch.tensor(self.tokens[i]), int(self.labels[i])


class BiEncoder(nn.Module):
    def __init__(self, vocab, emb=32, hidden=48):
        super().__init__()
        self.emb = nn.Embedding(vocab, emb)
        self.rnn = nn.GRU(emb, hidden, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(2 * hidden, TOPICS)

    def forward(self, x):
        batch_size = x.size(0)
        outputs, hidden = self.rnn(self.emb(x))
        hidden = hidden.transpose(0, 1).reshape(batch_size, -1)
        return self.classifier(hidden)


train_loader = DataLoader(Sentences(3000), batch_size=32, shuffle=True)
test_loader = DataLoader(Sentences(600), batch_size=32)
model = BiEncoder(VOCAB)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, 6):
    model.train()
    total_loss = 0
    for tokens, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(tokens), labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item()
    model.eval()
    hits = 0
    with torch.no_grad():
        for tokens, labels in test_loader:
            hits += (model(tokens).argmax(dim=1) == labels).sum().item()
    print(f"Epoch {epoch}: train loss {total_loss / len(train_loader):.3f}, test accuracy {hits / 600:.3f}")

print("RESULT " + json.dumps({"test_accuracy": hits / 600}))
