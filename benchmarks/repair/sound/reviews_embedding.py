"""Good or bad? Reviews of 24 words from a small made-up language, averaged embeddings and an MLP."""
import json
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

VOCABULARY, LENGTH, TOPICS = 300, 24, 6


class Reviews(Dataset):
    """Each topic has words of its own, and half of all words are common to all."""

    def __init__(self, n, generator):
        self.labels = torch.randint(TOPICS, (n,), generator=generator)
        own = 100 + 30 * self.labels[:, None] + torch.randint(30, (n, LENGTH), generator=generator)
        common = torch.randint(VOCABULARY, (n, LENGTH), generator=generator)
        keep = torch.rand(n, LENGTH, generator=generator) < 0.25
        self.words = torch.where(keep, own, common)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.words[i], self.labels[i]


class Classifier(nn.Module):
    def __init__(self, depth=3, width=64):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.output = nn.Linear(width, TOPICS)

    def forward(self, words):
        x = self.embedding(words).mean(1)
        for block in self.blocks:
            x = F.relu(block(x))
        return self.output(x)


class Trainer:
    def __init__(self, seed):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        self.train_loader = DataLoader(Reviews(1500, generator), batch_size=50, shuffle=True)
        self.valid_loader = DataLoader(Reviews(500, generator), batch_size=250)
        self.model = Classifier()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2e-3)

    def train_epoch(self):
        self.model.train()
        for words, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(words), labels)
            loss.backward()
            self.optimizer.step()

    def evaluate(self):
        self.model.eval()
        right = 0
        with torch.no_grad():
            for words, labels in self.valid_loader:
                right += (self.model(words).argmax(1) == labels).sum().item()
        return right / len(self.valid_loader.dataset)

    def fit(self, epochs):
        for epoch in range(epochs):
            self.train_epoch()
            print(f"epoch {epoch} accuracy {self.evaluate():.3f}")


trainer = Trainer(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
trainer.fit(15)
print("RESULT", json.dumps({"metric": "accuracy", "value": trainer.evaluate()}))
