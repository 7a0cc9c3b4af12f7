"""WGAN-GP on a ring of eight Gaussians: critic and generator with an optimiser each, losses of either sign.

Modelled after Gulrajani et al.'s improved_wgan_training toy script and caogang/wgan-gp (own code).
"""
import copy
import json
import math
import sys

import torch
from torch import autograd, nn

LAMBDA = 0.1          # the value Gulrajani et al. use for the toy sets
CRITIC_ITERS = 3
BATCH = 128
ITERS = 1000
LR = 2e-3


def mlp(n_in, n_out, width=64):
    return nn.Sequential(nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
                         nn.Linear(width, width), nn.ReLU(), nn.Linear(width, n_out))


ANGLES = torch.arange(8) * 2 * math.pi / 8
CENTRES = 1.4 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)


def real_batch(n):
    return CENTRES[torch.randint(8, (n,))] + 0.05 * torch.randn(n, 2)


def gradient_penalty(critic, real, fake):
    eps = torch.rand(len(real), 1)
    mix = (eps * real + (1 - eps) * fake).requires_grad_()
    g = autograd.grad(critic(mix).sum(), mix, create_graph=True)[0]
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


def sliced_w(a, b, n_proj=200):
    d = torch.randn(2, n_proj, generator=torch.Generator().manual_seed(7))
    d = d / d.norm(dim=0)
    return ((a @ d).sort(0)[0] - (b @ d).sort(0)[0]).abs().mean().item()


def main(seed):
    torch.manual_seed(seed)
    gen, critic = mlp(2, 2), mlp(2, 1)
    gen_avg = copy.deepcopy(gen)
    opt_g = torch.optim.Adam(gen.parameters(), lr=LR, betas=(0.5, 0.9))
    opt_c = torch.optim.Adam(critic.parameters(), lr=LR, betas=(0.5, 0.9))
    decay = lambda it: 1 - it / ITERS
    sched_g = torch.optim.lr_scheduler.LambdaLR(opt_g, decay)
    sched_c = torch.optim.lr_scheduler.LambdaLR(opt_c, decay)

    for it in range(ITERS):
        for p in critic.parameters():
            p.requires_grad_(True)
        for _ in range(CRITIC_ITERS):
            real = real_batch(BATCH)
            with torch.no_grad():
                fake = gen(torch.randn(BATCH, 2))
            wdist = critic(real).mean() - critic(fake).mean()
            loss_c = -wdist + LAMBDA * gradient_penalty(critic, real, fake)
            opt_c.zero_grad()
            loss_c.backward()
            opt_c.step()
        for p in critic.parameters():
            p.requires_grad_(False)
        loss_g = -critic(gen(torch.randn(BATCH, 2))).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        sched_g.step()
        sched_c.step()
        with torch.no_grad():
            for a, p in zip(gen_avg.parameters(), gen.parameters()):
                a.lerp_(p, 0.02)
        if (it + 1) % 100 == 0:
            with torch.no_grad():
                s = gen_avg(torch.randn(4000, 2))
            dist = torch.cdist(s, CENTRES).min(1)
            print(f"iter {it + 1}: W {wdist.item():.4f} loss_c {loss_c.item():.4f} loss_g {loss_g.item():.4f} "
                  f"modes {len(dist.indices[dist.values < 0.2].unique())}/8 "
                  f"SWD {sliced_w(s, real_batch(4000)):.4f}")
    with torch.no_grad():
        swd = sum(sliced_w(gen_avg(torch.randn(4000, 2)), real_batch(4000)) for _ in range(5)) / 5
    print(f"for comparison, two real samples: {sliced_w(real_batch(4000), real_batch(4000)):.4f}")
    print("RESULT", json.dumps({"metric": "swd", "value": round(swd, 5), "good": bool(swd <= 0.06)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
