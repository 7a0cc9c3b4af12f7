import json
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

CFG = {"seed": int(sys.argv[1]) if len(sys.argv) > 1 else 0, "max_epochs": 8, "batch_size": 32,
       "optimizer": {"lr": 1e-3, "weight_decay": 1e-3}, "warmup": 0.05}


def pendulum(rng, n):
    """(angle, speed, torque) -> (angle, speed) 0.1 s later."""
    angle, speed, torque = rng.uniform(-3, 3, n), rng.uniform(-4, 4, n), rng.uniform(-2, 2, n)
    a, s = angle.copy(), speed.copy()
    for _ in range(10):
        s = s + 0.02 * (-9.8 * np.sin(a) + 3 * torque - 0.1 * s)
        a = a + 0.02 * s
    obs = np.stack([np.sin(angle), np.cos(angle), speed / 4, torque / 2], 1)
    nxt = np.stack([np.sin(a), np.cos(a), s / 4], 1)
    return torch.tensor(obs, dtype=torch.float32), torch.tensor(nxt, dtype=torch.float32)


class WorldModel(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, dim), nn.GELU())
        self.predictor = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim), nn.GELU())
        self.decoder = nn.Linear(dim, 3)

    def forward(self, obs):
        return self.decoder(self.predictor(self.encoder(obs)))


def linear_warmup_cosine(optimizer, warmup_steps, max_steps):
    def factor(step):
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        t = (step - warmup_steps) / max(1, max_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, t)))
    return LambdaLR(optimizer, factor)


def validate(model, data):
    model.eval()
    with torch.no_grad():
        return nn.functional.mse_loss(model(data[0]), data[1]).item()


def main(cfg):
    torch.manual_seed(cfg["seed"])
    rng = np.random.default_rng(cfg["seed"])
    train = DataLoader(TensorDataset(*pendulum(rng, 6000)), batch_size=cfg["batch_size"], shuffle=True)
    val = pendulum(rng, 1000)
    model = WorldModel()
    optimizer = torch.optim.AdamW(model.parameters(), **cfg["optimizer"])
    total_steps = cfg["max_epochs"] * len(train)
    scheduler = linear_warmup_cosine(optimizer, max(1, int(cfg["warmup"] * total_steps)), total_steps)
    for epoch in range(cfg["max_epochs"]):
        model.train()
        running = 0.0
        for obs, nxt in train:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(obs), nxt)
            loss.backward()
            optimizer.step()
            running += loss.item()
        scheduler.step()
        val_loss = validate(model, val)
        print(f"epoch {epoch + 1}/{cfg['max_epochs']} train {running / len(train):.5f} val {val_loss:.5f}")
    print("RESULT", json.dumps({"metric": "val_mse", "value": val_loss}))


main(CFG)
