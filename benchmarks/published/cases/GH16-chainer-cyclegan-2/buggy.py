"""CycleGAN on small colour patches (day <-> inverted look)."""
import itertools
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

S = 16


def patches(n, rng, domain):
    yy, xx = np.mgrid[0:S, 0:S] / (S - 1.0)
    base = rng.uniform(-0.7, 0.7, (n, 3, 1, 1))
    gx, gy = rng.uniform(-0.3, 0.3, (2, n, 3, 1, 1))
    img = base + gx * (xx - 0.5) + gy * (yy - 0.5)
    cx, cy, r = rng.uniform(0.2, 0.8, n), rng.uniform(0.2, 0.8, n), rng.uniform(0.12, 0.3, n)
    disc = ((xx[None] - cx[:, None, None]) ** 2 + (yy[None] - cy[:, None, None]) ** 2 < r[:, None, None] ** 2)
    col = rng.uniform(-0.9, 0.9, (n, 3, 1, 1))
    img = np.where(disc[:, None], col, img)
    if domain == "B":
        img = -img[:, ::-1]
    return torch.tensor(np.clip(img, -1, 1).copy(), dtype=torch.float32)


class CBR(nn.Module):
    def __init__(self, ch0, ch1, k=3, stride=1, activation=F.relu, norm=True):
        super().__init__()
        self.conv = nn.Conv2d(ch0, ch1, k, stride, k // 2)
        self.norm = nn.InstanceNorm2d(ch1, affine=True) if norm else None
        self.activation = activation

    def forward(self, x):
        h = self.conv(x)
        if self.norm is not None:
            h = self.norm(h)
        return h if self.activation is None else self.activation(h)


class ResBlock(nn.Module):
    def __init__(self, ch):
        super().__init__()
        self.c0 = CBR(ch, ch)
        self.c1 = CBR(ch, ch, activation=None)

    def forward(self, x):
        return x + self.c1(self.c0(x))


class Generator(nn.Module):
    def __init__(self, ch=16):
        super().__init__()
        self.c1 = CBR(3, ch, 3, norm=False)
        self.r1 = ResBlock(ch)
        self.r2 = ResBlock(ch)
        self.c2 = CBR(ch, 3, 3, activation=torch.tanh)

    def forward(self, x):
        return self.c2(self.r2(self.r1(self.c1(x))))


class Discriminator(nn.Module):
    def __init__(self, ch=16):
        super().__init__()
        act = lambda h: F.leaky_relu(h, 0.2)
        self.c0 = CBR(3, ch, 3, 2, act, norm=False)
        self.c1 = CBR(ch, ch * 2, 3, 2, act)
        self.c2 = nn.Conv2d(ch * 2, 1, 3, 1, 1)

    def forward(self, x):
        return self.c2(self.c1(self.c0(x)))


def lsgan(out, target):
    return ((out - target) ** 2).mean()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    xa, xb = patches(1000, rng, "A"), patches(1000, rng, "B")
    ta, tb = patches(200, rng, "A"), patches(200, rng, "B")
    g, f, dx, dy = Generator(), Generator(), Discriminator(), Discriminator()
    opt_g = torch.optim.Adam(itertools.chain(g.parameters(), f.parameters()), lr=2e-3, betas=(0.5, 0.999))
    opt_d = torch.optim.Adam(itertools.chain(dx.parameters(), dy.parameters()), lr=5e-4, betas=(0.5, 0.999))
    lam, bs = 10.0, 16
    for it in range(350):
        a = xa[torch.randint(len(xa), (bs,))]
        b = xb[torch.randint(len(xb), (bs,))]
        fake_b, fake_a = g(a), f(b)
        loss_cyc = F.l1_loss(f(fake_b), a) + F.l1_loss(g(fake_a), b)
        loss_adv = lsgan(dy(fake_b), 1.0) + lsgan(dx(fake_a), 1.0)
        opt_g.zero_grad()
        (lam * loss_cyc + loss_adv).backward()
        opt_g.step()
        loss_d = 0.5 * (lsgan(dy(b), 1.0) + lsgan(dy(fake_b.detach()), 0.0)
                        + lsgan(dx(a), 1.0) + lsgan(dx(fake_a.detach()), 0.0))
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        if it % 50 == 0:
            print(f"iter {it} cycle {loss_cyc.item():.4f} adv {loss_adv.item():.4f} dis {loss_d.item():.4f}")
    with torch.no_grad():
        cyc = 0.5 * (F.l1_loss(f(g(ta)), ta) + F.l1_loss(g(f(tb)), tb)).item()
    print("RESULT " + json.dumps({"metric": "held-out cycle L1", "value": round(cyc, 4)}))


if __name__ == "__main__":
    main()
