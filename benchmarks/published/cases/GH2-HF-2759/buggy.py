import json
import sys

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

PAD, MAXLEN, WORDS, TAGS = 0, 80, 300, 6


def sentence(lexicon):
    n = int(torch.randint(4, 12, (1,)))
    words = torch.randint(1, WORDS, (n,))
    tags = lexicon[words]
    return words, tags


def collate(batch):
    words = pad_sequence([w for w, _ in batch], batch_first=True, padding_value=PAD)
    tags = pad_sequence([t for _, t in batch], batch_first=True, padding_value=0)
    grow = MAXLEN - words.shape[1]
    return nn.functional.pad(words, (0, grow), value=PAD), nn.functional.pad(tags, (0, grow), value=0)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(WORDS, 24, padding_idx=PAD)
        self.conv = nn.Conv1d(24, 32, 3, padding=1)
        self.out = nn.Linear(32, TAGS)

    def forward(self, x):
        h = torch.relu(self.conv(self.emb(x).transpose(1, 2))).transpose(1, 2)
        return self.out(h)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
lexicon = torch.randint(1, TAGS, (WORDS,))
train = [sentence(lexicon) for _ in range(800)]
test = [sentence(lexicon) for _ in range(200)]
model = Tagger()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loss_fct = nn.CrossEntropyLoss(ignore_index=-1)
for epoch in range(6):
    for words, tags in DataLoader(train, batch_size=20, shuffle=True, collate_fn=collate):
        optimizer.zero_grad()
        loss = loss_fct(model(words).view(-1, TAGS), tags.view(-1))
        loss.backward()
        optimizer.step()
    right = total = 0
    with torch.no_grad():
        for words, tags in DataLoader(test, batch_size=100, collate_fn=collate):
            real = words != PAD
            right += (model(words).argmax(-1) == tags)[real].sum().item()
            total += real.sum().item()
    print(f"epoch {epoch}: loss {loss.item():.4f}, accuracy on words {right / total:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": right / total}))
