"""Digits with mixed precision: bfloat16 forward pass, float32 loss and weights."""

import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def forward(model, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x)
    return logits.float()


def main(seed):
    torch.manual_seed(seed)
    digits = load_digits()
    split = train_test_split(
        digits.data / 16, digits.target, test_size=0.25, stratify=digits.target, random_state=seed
    )
    x, x_val = (torch.tensor(a, dtype=torch.float32) for a in split[:2])
    y, y_val = (torch.tensor(a) for a in split[2:])
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    opt = torch.optim.Adam(model.parameters(), lr=1e-3)

    for epoch in range(30):
        model.train()
        epoch_loss = 0.0
        for xb, yb in loader:
            loss = F.cross_entropy(forward(model, xb), yb)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            epoch_loss += loss.item() * len(xb) / len(x)
        model.eval()
        with torch.no_grad():
            acc = (forward(model, x_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch:2d} loss {epoch_loss:.4f} val_acc {acc:.4f}")

    print("RESULT", json.dumps({"metric": "val_acc", "value": round(acc, 4), "good": acc >= 0.95}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
