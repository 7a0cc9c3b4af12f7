import json
import sys
from pydoc_data.topics import topics

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

text = "\n".join(topics[k] for k in sorted(topics))[:120000].lower()
vocab = sorted(set(text))
stoi = {ch: i for i, ch in enumerate(vocab)}
dataset = torch.tensor([stoi[ch] for ch in text])

MASTER_CONFIG = {"vocab_size": len(vocab), "batch_size": 32, "context_window": 16, "d_model": 128, "epochs": 1000, "log_interval": 100}


def get_batches(data, split, batch_size, context_window):
    train, val = data[: int(0.8 * len(data))], data[int(0.8 * len(data)):]
    part = train if split == "train" else val
    ix = torch.randint(0, len(part) - context_window - 1, (batch_size,))
    x = torch.stack([part[i:i + context_window] for i in ix])
    y = torch.stack([part[i + 1:i + context_window + 1] for i in ix])
    return x, y


class SimpleModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config["vocab_size"], config["d_model"])
        self.linear = nn.Sequential(
            nn.Linear(config["d_model"], config["d_model"]),
            nn.ReLU(),
            nn.Linear(config["d_model"], config["vocab_size"]),
        )

    def forward(self, idx, targets=None):
        x = self.embedding(idx)
        a = self.linear(x)
        logits = a
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, self.config["vocab_size"]), targets.view(-1))
            return logits, loss
        return logits


@torch.no_grad()
def evaluate_loss(model):
    model.eval()
    out = {}
    for split in ["train", "val"]:
        xs, ys = get_batches(dataset, split, 500, MASTER_CONFIG["context_window"])
        _, loss = model(xs, ys)
        out[split] = loss.item()
    model.train()
    return out


model = SimpleModel(MASTER_CONFIG)
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(MASTER_CONFIG["epochs"]):
    xs, ys = get_batches(dataset, "train", MASTER_CONFIG["batch_size"], MASTER_CONFIG["context_window"])
    optimizer.zero_grad()
    logits, loss = model(xs, targets=ys)
    loss.backward()
    optimizer.step()
    if epoch % MASTER_CONFIG["log_interval"] == 0:
        x = evaluate_loss(model)
        print(f"Epoch {epoch} | train loss {x['train']:.3f} | val loss {x['val']:.3f}")
print("RESULT", json.dumps({"metric": "val_loss", "value": evaluate_loss(model)["val"]}))
