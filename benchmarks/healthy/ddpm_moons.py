"""Denoising diffusion on two moons: epsilon prediction, cosine noise schedule, EMA weights for sampling.

Modelled after tanelp/tiny-diffusion and the Hugging Face "Annotated Diffusion Model" (own code).
"""
import copy
import json
import math
import sys
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import make_moons
from torch import nn


@dataclass
class Config:
    seed: int = 0
    steps: int = 2500
    batch_size: int = 512
    lr: float = 3e-3
    hidden: int = 96
    timesteps: int = 100
    ema_decay: float = 0.99
    grad_clip: float = 1.0


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x):
        return x + F.gelu(self.fc(x))


class NoisePredictor(nn.Module):
    def __init__(self, width, emb=32):
        super().__init__()
        self.register_buffer("freqs", torch.exp(-math.log(1000) * torch.arange(emb // 2) / (emb // 2)))
        self.inp = nn.Linear(2 + emb, width)
        self.blocks = nn.Sequential(Block(width), Block(width), Block(width))
        self.out = nn.Linear(width, 2)

    def forward(self, x, t):
        ang = t[:, None].float() * self.freqs
        h = self.inp(torch.cat([x, ang.sin(), ang.cos()], 1))
        return self.out(self.blocks(F.gelu(h)))


class Diffusion:
    def __init__(self, T):
        s = 0.008
        grid = torch.linspace(0, 1, T + 1)
        f = torch.cos((grid + s) / (1 + s) * math.pi / 2) ** 2
        abar = f / f[0]
        self.betas = (1 - abar[1:] / abar[:-1]).clamp(max=0.999)
        self.alphas = 1 - self.betas
        self.abar = self.alphas.cumprod(0)
        self.T = T

    def q_sample(self, x0, t, noise):
        a = self.abar[t][:, None]
        return a.sqrt() * x0 + (1 - a).sqrt() * noise

    @torch.no_grad()
    def sample(self, model, n):
        x = torch.randn(n, 2)
        for t in reversed(range(self.T)):
            eps = model(x, torch.full((n,), t))
            x0 = ((x - (1 - self.abar[t]).sqrt() * eps) / self.abar[t].sqrt()).clamp(-3, 3)
            prev = self.abar[t - 1] if t > 0 else torch.tensor(1.0)
            mean = (prev.sqrt() * self.betas[t] * x0 + self.alphas[t].sqrt() * (1 - prev) * x) / (1 - self.abar[t])
            var = self.betas[t] * (1 - prev) / (1 - self.abar[t])
            x = mean + var.sqrt() * torch.randn_like(x)
        return x


def sliced_wasserstein(a, b, n_proj=200):
    dirs = F.normalize(torch.randn(n_proj, 2, generator=torch.Generator().manual_seed(0)), dim=1)
    return (torch.sort(a @ dirs.T, 0)[0] - torch.sort(b @ dirs.T, 0)[0]).abs().mean().item()


def moons(n, rs):
    x, _ = make_moons(n, noise=0.05, random_state=rs)
    return torch.tensor((x - [0.5, 0.25]) / [0.87, 0.5], dtype=torch.float32)


def main(cfg):
    torch.manual_seed(cfg.seed)
    np.random.seed(cfg.seed)
    data, held_out = moons(8000, cfg.seed), moons(2000, cfg.seed + 1000)
    model = NoisePredictor(cfg.hidden)
    ema = copy.deepcopy(model).requires_grad_(False)
    diff = Diffusion(cfg.timesteps)
    opt = torch.optim.Adam(model.parameters(), lr=cfg.lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, cfg.steps)
    avg = 0.0
    for step in range(1, cfg.steps + 1):
        x0 = data[torch.randint(len(data), (cfg.batch_size,))]
        t = torch.randint(cfg.timesteps, (cfg.batch_size,))
        noise = torch.randn_like(x0)
        loss = F.mse_loss(model(diff.q_sample(x0, t, noise), t), noise)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), cfg.grad_clip)
        opt.step()
        sched.step()
        with torch.no_grad():
            for pe, p in zip(ema.parameters(), model.parameters()):
                pe.lerp_(p, 1 - cfg.ema_decay)
        avg += loss.item()
        if step % 500 == 0:
            swd = sliced_wasserstein(diff.sample(ema, 1000), held_out[:1000])
            print(f"step {step}  loss {avg / 500:.4f}  SWD {swd:.4f}")
            avg = 0.0
    floor = sliced_wasserstein(moons(2000, cfg.seed + 2000), held_out)
    value = np.mean([sliced_wasserstein(diff.sample(ema, 2000), held_out) for _ in range(3)])
    print(f"SWD of samples {value:.4f}, of a second true sample {floor:.4f}")
    print("RESULT", json.dumps({"metric": "swd", "value": round(float(value), 5), "good": bool(float(value) <= 0.05)}))


if __name__ == "__main__":
    main(Config(seed=int(sys.argv[1]) if len(sys.argv) > 1 else 0))
