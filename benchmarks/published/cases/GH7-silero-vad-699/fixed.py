import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)

config = {"n_mels": 20, "frames": 40, "hidden": 32, "batch_size": 32, "lr": 0.05, "momentum": 0.9, "num_epochs": 8}


def make_clips(n, rng, voices):
    mel = rng.normal(0, 1.0, (n, config["frames"], config["n_mels"]))
    speech = np.zeros((n, config["frames"]))
    for i in range(n):
        t = 0
        while t < config["frames"]:
            length = rng.integers(4, 12)
            if rng.random() < 0.5:
                v = voices[rng.integers(len(voices))]
                mel[i, t:t + length] += 0.8 * v
                speech[i, t:t + length] = 1
            t += length
    return torch.tensor(mel, dtype=torch.float32), torch.tensor(speech, dtype=torch.float32)


class VAD(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.proj = nn.Linear(cfg["n_mels"], cfg["hidden"])
        self.rnn = nn.GRU(cfg["hidden"], cfg["hidden"], batch_first=True)
        self.decoder = nn.Linear(cfg["hidden"], 1)

    def forward(self, x):
        h, _ = self.rnn(torch.relu(self.proj(x)))
        return self.decoder(h).squeeze(-1)


def train(loader, model, criterion, optimizer):
    model.train()
    losses = []
    for mel, speech in loader:
        logits = model(mel)
        loss = criterion(logits, speech)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.no_grad()
def validate(loader, model, criterion):
    model.eval()
    losses, hits, total = [], 0, 0
    for mel, speech in loader:
        logits = model(mel)
        losses.append(criterion(logits, speech).item())
        hits += ((logits > 0) == (speech > 0.5)).sum().item()
        total += speech.numel()
    return float(np.mean(losses)), hits / total


rng = np.random.default_rng(SEED)
voices = rng.normal(0, 1.0, (4, config["n_mels"]))
train_loader = DataLoader(TensorDataset(*make_clips(1200, rng, voices)), batch_size=config["batch_size"], shuffle=True)
val_loader = DataLoader(TensorDataset(*make_clips(400, rng, voices)), batch_size=100)

model = VAD(config)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=config["momentum"])
for epoch in range(config["num_epochs"]):
    tr = train(train_loader, model, criterion, optimizer)
    vl, acc = validate(val_loader, model, criterion)
    print(f"epoch {epoch + 1}: train loss {tr:.4f}  val loss {vl:.4f}  val frame accuracy {acc:.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
