import json
import sys

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader


def make_sample(g):
    n = int(torch.randint(4, 10, (1,), generator=g))
    words = torch.randint(1, 30, (n,), generator=g)
    return words, int((words < 15).sum() * 2 > n)


def collate(batch):
    seqs, labels = zip(*batch)
    lengths = torch.tensor([len(s) for s in seqs])
    padded = pad_sequence(seqs, batch_first=True)
    padded = nn.functional.pad(padded, (0, 60 - padded.shape[1]))
    return padded, lengths, torch.tensor(labels)


class TextRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(30, 16)
        self.rnn = nn.RNN(16, 32, batch_first=True)
        self.fc = nn.Linear(32, 2)

    def forward(self, x, lengths):
        out, h = self.rnn(self.emb(x))
        return self.fc(h[-1])


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
g = torch.Generator().manual_seed(seed)
train = [make_sample(g) for _ in range(1000)]
test = [make_sample(g) for _ in range(300)]
train_loader = DataLoader(train, batch_size=50, shuffle=True, collate_fn=collate)
test_loader = DataLoader(test, batch_size=100, collate_fn=collate)

model = TextRNN()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    for x, lengths, y in train_loader:
        loss = criterion(model(x, lengths), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, lengths, y in test_loader:
            correct += (model(x, lengths).argmax(1) == y).sum().item()
    print(f"epoch {epoch}: {loss.item():.4f} {correct / len(test):.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": correct / len(test)}))
