"""Grokking: modular addition with a big weight decay; validation stays at chance long after the training set is learned.

Modelled after Power et al. (2022) and Nanda's mechanistic-interpretability grokking notebook (full batch, AdamW, decay 1; own code).
"""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

p = 47
frac_train = 0.5
d_embed, d_hidden = 64, 256
lr = 3e-3
weight_decay = 1.0
num_epochs = 1000
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0

torch.manual_seed(seed)
a, b = torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij")
pairs = torch.stack([a.flatten(), b.flatten()], 1)
labels = pairs.sum(1) % p
perm = torch.randperm(len(pairs))
cut = int(frac_train * len(pairs))
train, test = perm[:cut], perm[cut:]


class Adder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(p, d_embed)
        self.hidden = nn.Linear(d_embed, d_hidden)
        self.unembed = nn.Linear(d_hidden, p, bias=False)
        nn.init.normal_(self.embed.weight, std=d_embed ** -0.5)

    def forward(self, ab):
        e = self.embed(ab).sum(1)                # addition commutes, so the operands share an embedding
        return self.unembed(F.relu(self.hidden(e)))


model = Adder()
optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, betas=(0.9, 0.98))
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 10, 1))
for epoch in range(num_epochs):
    loss = F.cross_entropy(model(pairs[train]), labels[train])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if epoch % 100 == 99:
        with torch.no_grad():
            logits = model(pairs[test])
            test_loss = F.cross_entropy(logits, labels[test]).item()
            test_acc = (logits.argmax(1) == labels[test]).float().mean().item()
            train_acc = (model(pairs[train]).argmax(1) == labels[train]).float().mean().item()
        print(f"{epoch + 1:5d} train {loss.item():.4f} ({train_acc:.3f})  test {test_loss:.4f} ({test_acc:.3f})")

print("RESULT", json.dumps({"metric": "test_acc", "value": round(test_acc, 5), "good": bool(test_acc >= 0.99)}))
