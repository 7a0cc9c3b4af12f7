"""GRU on MNIST-1D, everything at the top level."""

import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

args = get_dataset_args()
args.seed = seed
data = make_dataset(args)
x_train = torch.from_numpy(data["x"]).float()[:, :, None]
y_train = torch.from_numpy(data["y"]).long()
x_val = torch.from_numpy(data["x_test"]).float()[:, :, None]
y_val = torch.from_numpy(data["y_test"]).long()

gru = nn.GRU(input_size=1, hidden_size=64, batch_first=True)
fc = nn.Linear(64, 10)
params = [*gru.parameters(), *fc.parameters()]
opt = torch.optim.Adam(params, lr=0.003)

for epoch in range(12):
    gru.train()
    losses = []
    for idx in torch.randperm(len(x_train)).split(64):
        _, h = gru(x_train[idx])
        loss = F.cross_entropy(fc(h[-1]), y_train[idx])
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, max_norm=1.0)
        opt.step()
        losses.append(loss.item())

    gru.eval()
    with torch.no_grad():
        _, h = gru(x_val)
        logits = fc(h[-1])
        val_loss = F.cross_entropy(logits, y_val).item()
        val_acc = (logits.argmax(-1) == y_val).float().mean().item()
    print(f"epoch {epoch}: train {sum(losses) / len(losses):.3f} val {val_loss:.3f} acc {val_acc:.3f}")

print("RESULT", json.dumps({"metric": "val_acc", "value": round(val_acc, 4), "good": val_acc >= 0.6}))
