"""Which standard-library package does this piece of source code come from?"""

import json
import re
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

PACKAGES = ["asyncio", "ctypes", "email", "importlib", "multiprocessing", "unittest"]
VOCAB = 4000
CHUNK = 15  # lines


def read_chunks():
    """(words, label) for every 15 lines of every module."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    for label, package in enumerate(PACKAGES):
        for path in sorted((stdlib / package).rglob("*.py")):
            if "test" in path.parts:
                continue
            lines = path.read_text(encoding="utf-8").splitlines()
            for start in range(0, len(lines), CHUNK):
                words = re.findall(r"[a-z]{2,}", " ".join(lines[start : start + CHUNK]).lower())
                if len(words) >= 20:
                    yield words, label


class TextClassifier(nn.Module):
    def __init__(self, vocab, dim=32, classes=len(PACKAGES)):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab, dim, mode="mean", sparse=True)
        self.fc = nn.Linear(dim, classes)

    def forward(self, tokens, offsets):
        return self.fc(self.embedding(tokens, offsets))


def collate(batch):
    texts, labels = zip(*batch)
    lengths = torch.tensor([len(t) for t in texts])
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)[:-1]])
    return torch.tensor([i for t in texts for i in t]), offsets, torch.tensor(labels)


def accuracy(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for tokens, offsets, labels in loader:
            correct += (model(tokens, offsets).argmax(1) == labels).sum().item()
    return correct / len(loader.dataset)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
chunks = list(read_chunks())
order = torch.randperm(len(chunks)).tolist()
split = int(0.8 * len(chunks))
train_chunks, val_chunks = [chunks[i] for i in order[:split]], [chunks[i] for i in order[split:]]

counts = Counter(word for words, _ in train_chunks for word in words)
vocab = {word: i for i, (word, _) in enumerate(counts.most_common(VOCAB - 1), start=1)}  # 0: unknown
train_set = [([vocab.get(w, 0) for w in words], label) for words, label in train_chunks]
val_set = [([vocab.get(w, 0) for w in words], label) for words, label in val_chunks]
train_loader = DataLoader(train_set, batch_size=32, shuffle=True, collate_fn=collate)
val_loader = DataLoader(val_set, batch_size=256, collate_fn=collate)
print(f"{len(train_set)} training and {len(val_set)} validation chunks")

model = TextClassifier(VOCAB)
loss_fn = nn.CrossEntropyLoss()
optimizers = [
    torch.optim.SparseAdam(model.embedding.parameters(), lr=5e-3),
    torch.optim.Adam(model.fc.parameters(), lr=5e-3),
]

for epoch in range(8):
    model.train()
    total = 0.0
    for tokens, offsets, labels in train_loader:
        loss = loss_fn(model(tokens, offsets), labels)
        model.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        total += loss.item() * len(labels)
    val_acc = accuracy(model, val_loader)
    print(f"epoch {epoch}: loss {total / len(train_set):.4f}, val acc {val_acc:.4f}")

print("RESULT", json.dumps({"metric": "val_acc", "value": round(val_acc, 4), "good": val_acc >= 0.85}))
