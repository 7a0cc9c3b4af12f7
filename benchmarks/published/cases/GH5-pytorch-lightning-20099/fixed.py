import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

VOCAB, LENGTH = 12, 16


class Melodies(Dataset):
    """One tune in every key: the interval to the next note depends on the place in the tune."""

    intervals = torch.randint(0, VOCAB, (LENGTH,))

    def __init__(self, n):
        steps = self.intervals.expand(n, LENGTH).clone()
        free = torch.rand(n, LENGTH) < 0.1
        steps[free] = torch.randint(0, VOCAB, (int(free.sum()),))
        start = torch.randint(0, VOCAB, (n, 1))
        self.data = torch.cat([start, start + steps.cumsum(1)], 1) % VOCAB

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        return self.data[i, :-1], self.data[i, 1:]


class PositionalEncoding(nn.Module):
    def __init__(self, dim, max_len=128):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        pe = torch.zeros(max_len, dim)
        pe[:, 0::2] = torch.sin(position * div)
        pe[:, 1::2] = torch.cos(position * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(1)]


class Transformer(nn.Module):
    def __init__(self, vocab_size=VOCAB, ninp=48, nhead=4, nhid=128, nlayers=1):
        super().__init__()
        self.pos_encoder = PositionalEncoding(ninp)
        self.embedding = nn.Embedding(vocab_size, ninp)
        layer = nn.TransformerEncoderLayer(ninp, nhead, nhid, dropout=0.0, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, nlayers, enable_nested_tensor=False)
        self.decoder = nn.Linear(ninp, vocab_size)

    def forward(self, inputs):
        mask = nn.Transformer.generate_square_subsequent_mask(inputs.size(1))
        src = self.embedding(inputs)
        src = self.pos_encoder(src)
        output = self.transformer(src, mask=mask, is_causal=True)
        return F.log_softmax(self.decoder(output), dim=-1)


def step(model, batch):
    inputs, target = batch
    output = model(inputs)
    return F.nll_loss(output.transpose(1, 2), target), output


train_loader = DataLoader(Melodies(2560), batch_size=64, shuffle=True)
val_loader = DataLoader(Melodies(512), batch_size=128)
model = Transformer()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    model.train()
    train_loss = 0.0
    for batch in train_loader:
        loss, _ = step(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_loss += loss.item() / len(train_loader)
    model.eval()
    val_loss, hits, count = 0.0, 0, 0
    with torch.no_grad():
        for batch in val_loader:
            loss, output = step(model, batch)
            val_loss += loss.item() / len(val_loader)
            hits += (output.argmax(-1) == batch[1]).sum().item()
            count += batch[1].numel()
    print(f"epoch {epoch}: train_loss {train_loss:.4f} val_loss {val_loss:.4f} val_acc {hits / count:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": hits / count}))
