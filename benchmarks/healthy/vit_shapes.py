"""A small vision transformer tells five noisy shapes apart; Trainer class, warmup and cosine decay."""
import json
import math
import sys
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


@dataclass
class Config:
    seed: int = 0
    image: int = 24
    patch: int = 4
    dim: int = 40
    heads: int = 4
    depth: int = 2
    classes: int = 5
    epochs: int = 7
    batch: int = 64
    lr: float = 2e-3
    warmup: float = 0.1
    weight_decay: float = 0.05


def make_shapes(n, size, g):
    ys, xs = torch.meshgrid(torch.arange(size).float(), torch.arange(size).float(), indexing="ij")
    u = lambda lo, hi: lo + (hi - lo) * torch.rand(n, 1, 1, generator=g)
    r = u(4.5, 7.5)
    dx, dy = xs - u(8, size - 9), ys - u(8, size - 9)
    dist = torch.sqrt(dx ** 2 + dy ** 2)
    box = torch.maximum(dx.abs(), dy.abs())
    disc = dist < r
    square = box < 0.87 * r
    ring = (dist < r) & (dist > r - 2.2)
    cross = ((dx.abs() < 1.4) | (dy.abs() < 1.4)) & (box < r)
    triangle = (dy < 0.7 * r) & (dy > -r) & (dx.abs() < (dy + r) * 0.6)
    y = torch.randint(0, 5, (n,), generator=g)
    masks = torch.stack([disc, square, ring, cross, triangle], 1).float()
    img = masks[torch.arange(n), y] * u(0.7, 1.0) + 0.15 * torch.randn(n, size, size, generator=g)
    return ((img - 0.2) / 0.36).unsqueeze(1), y


class ViT(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed = nn.Conv2d(1, c.dim, c.patch, stride=c.patch)
        tokens = (c.image // c.patch) ** 2
        self.cls = nn.Parameter(torch.zeros(1, 1, c.dim))
        self.pos = nn.Parameter(torch.randn(1, tokens + 1, c.dim) * 0.02)
        layer = nn.TransformerEncoderLayer(c.dim, c.heads, 2 * c.dim, dropout=0.0, activation="gelu",
                                           batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, c.depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(c.dim)
        self.head = nn.Linear(c.dim, c.classes)

    def forward(self, x):
        t = self.embed(x).flatten(2).transpose(1, 2)
        t = torch.cat([self.cls.expand(len(x), -1, -1), t], 1) + self.pos
        return self.head(self.norm(self.encoder(t))[:, 0])


class Trainer:
    def __init__(self, cfg, model, train_loader, val_loader):
        self.cfg, self.model, self.train_loader, self.val_loader = cfg, model, train_loader, val_loader
        decay = [p for p in model.parameters() if p.ndim == 2 or p.ndim == 4]
        rest = [p for p in model.parameters() if not (p.ndim == 2 or p.ndim == 4)]
        self.opt = torch.optim.AdamW([{"params": decay, "weight_decay": cfg.weight_decay},
                                      {"params": rest, "weight_decay": 0.0}], lr=cfg.lr)
        self.steps = cfg.epochs * len(train_loader)
        self.sched = torch.optim.lr_scheduler.LambdaLR(self.opt, self.factor)
        self.loss_fn = nn.CrossEntropyLoss()

    def factor(self, step):
        warm = self.cfg.warmup * self.steps
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (self.steps - warm)))

    def train_epoch(self):
        self.model.train()
        total = hits = count = 0
        for x, y in self.train_loader:
            out = self.model(x)
            loss = self.loss_fn(out, y)
            self.opt.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.opt.step()
            self.sched.step()
            total += loss.item() * len(x)
            hits += (out.argmax(1) == y).sum().item()
            count += len(x)
        return total / count, hits / count

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        total = hits = count = 0
        for x, y in self.val_loader:
            out = self.model(x)
            total += self.loss_fn(out, y).item() * len(x)
            hits += (out.argmax(1) == y).sum().item()
            count += len(x)
        return total / count, hits / count

    def fit(self):
        for epoch in range(self.cfg.epochs):
            tl, ta = self.train_epoch()
            vl, va = self.evaluate()
            print(f"epoch {epoch + 1:2d}  train {tl:.4f}/{ta:.3f}  val {vl:.4f}/{va:.3f}")
        return va


if __name__ == "__main__":
    cfg = Config(seed=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    torch.manual_seed(cfg.seed)
    gen = torch.Generator().manual_seed(cfg.seed + 10)
    train = TensorDataset(*make_shapes(6000, cfg.image, gen))
    val = TensorDataset(*make_shapes(1000, cfg.image, gen))
    trainer = Trainer(cfg, ViT(cfg), DataLoader(train, cfg.batch, shuffle=True), DataLoader(val, 250))
    acc = trainer.fit()
    print("RESULT", json.dumps({"val_accuracy": round(acc, 4), "good": acc > 0.96}))
