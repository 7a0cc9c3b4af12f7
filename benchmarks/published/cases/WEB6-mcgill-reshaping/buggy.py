import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

VOCAB, LENGTH, CLASSES = 30, 10, 6


class Sentences(Dataset):
    def __init__(self, n):
        self.x = np.random.randint(CLASSES + 1, VOCAB, (n, LENGTH))
        self.y = np.random.randint(0, CLASSES, n)
        for i in range(n):
            where = np.random.choice(LENGTH, 3, replace=False)
            self.x[i, where] = self.y[i] + 1
            other = np.random.randint(LENGTH)
            self.x[i, other] = np.random.randint(1, CLASSES + 1)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Encoder(nn.Module):
    def __init__(self, embed=16, hidden=24):
        super().__init__()
        self.hidden = hidden
        self.embedding = nn.Embedding(VOCAB, embed)
        self.rnn = nn.GRU(embed, hidden, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(2 * hidden, CLASSES)

    def forward(self, x):
        batch = x.shape[0]
        _, hidden = self.rnn(self.embedding(x))
        hidden = hidden.reshape(batch, 2 * self.hidden)
        return self.fc(hidden)


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.criterion = nn.CrossEntropyLoss()

    def fit(self, loader, epochs):
        for epoch in range(epochs):
            self.model.train()
            total = 0.0
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(x), y)
                loss.backward()
                self.optimizer.step()
                total += loss.item()
            print(f"[{epoch + 1}/{epochs}] {total / len(loader):.4f}")

    @torch.no_grad()
    def score(self, loader):
        self.model.eval()
        hits = [(self.model(x).argmax(1) == y).float() for x, y in loader]
        return torch.cat(hits).mean().item()


trainer = Trainer(Encoder(), lr=3e-3)
trainer.fit(DataLoader(Sentences(3000), batch_size=40, shuffle=True), epochs=6)
print("RESULT", json.dumps({"metric": "accuracy", "value": trainer.score(DataLoader(Sentences(600), batch_size=40))}))
