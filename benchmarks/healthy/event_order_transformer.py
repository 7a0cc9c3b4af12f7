"""Small transformer encoder: which of three tagged events came first in a log of 16 tokens?"""
import json
import math
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
VOCAB, LEN = 20, 16           # tokens 0, 1, 2 are the three events, the rest is filler


def make(n):
    x = torch.randint(3, VOCAB, (n, LEN))
    pos = torch.rand(n, LEN).argsort(1)[:, :3]
    x.scatter_(1, pos, torch.arange(3).expand(n, 3))
    return TensorDataset(x, pos.argmin(1))


class LogEncoder(nn.Module):
    def __init__(self, d=32, heads=4, layers=2):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, d)
        self.pos = nn.Parameter(0.1 * torch.randn(1, LEN, d))
        layer = nn.TransformerEncoderLayer(d, heads, 2 * d, dropout=0.0, batch_first=True, norm_first=True)
        self.enc = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, 3)

    def forward(self, x):
        return self.head(self.norm(self.enc(self.tok(x) + self.pos)).mean(1))


train, val, test = make(8000), make(1000), make(2000)
train_dl = DataLoader(train, batch_size=100, shuffle=True)
val_dl, test_dl = DataLoader(val, batch_size=500), DataLoader(test, batch_size=500)
model = LogEncoder()
EPOCHS = 7
total = EPOCHS * len(train_dl)
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
warm = 50
sched = torch.optim.lr_scheduler.LambdaLR(
    opt, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / (total - warm))))
loss_fn = nn.CrossEntropyLoss()


@torch.no_grad()
def evaluate(dl):
    model.eval()
    loss = hit = 0.0
    for x, y in dl:
        out = model(x)
        loss += loss_fn(out, y).item() * len(y)
        hit += (out.argmax(1) == y).sum().item()
    return loss / len(dl.dataset), hit / len(dl.dataset)


for epoch in range(EPOCHS):
    model.train()
    run = 0.0
    for x, y in train_dl:
        loss = loss_fn(model(x), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
        run += loss.item() * len(y)
    vl, va = evaluate(val_dl)
    print(f"epoch {epoch + 1} train {run / len(train):.4f} val {vl:.4f} acc {va:.4f}")
_, acc = evaluate(test_dl)
print("RESULT " + json.dumps({"test_accuracy": round(acc, 4), "good": acc > 0.97}))
