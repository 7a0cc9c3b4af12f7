"""VQGAN in miniature: quantised autoencoder with a patch discriminator on textured 16x16 images."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as functional


def textures(n, rng):
    yy, xx = np.mgrid[0:16, 0:16]
    ang = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    base = 0.5 * np.sin(0.25 * (np.cos(ang) * xx + np.sin(ang) * yy) + rng.uniform(0, 6.28, (n, 1, 1)))
    grain = 0.4 * np.sign(rng.standard_normal((n, 16, 16)))
    return torch.tensor(base + grain, dtype=torch.float32).unsqueeze(1)


class VectorQuantizer(nn.Module):
    def __init__(self, k=64, dim=8):
        super().__init__()
        self.emb = nn.Embedding(k, dim)
        nn.init.normal_(self.emb.weight, 0, 0.5)

    def forward(self, z):
        b, c, h, w = z.shape
        flat = z.permute(0, 2, 3, 1).reshape(-1, c)
        idx = torch.cdist(flat, self.emb.weight).argmin(1)
        q = self.emb(idx).view(b, h, w, c).permute(0, 3, 1, 2)
        loss = functional.mse_loss(q, z.detach()) + 0.25 * functional.mse_loss(z, q.detach())
        return z + (q - z).detach(), loss


class VQAE(nn.Module):
    def __init__(self, ch=20, dim=8):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, ch, 4, 2, 1), nn.SiLU(), nn.Conv2d(ch, ch, 4, 2, 1), nn.SiLU(),
                                 nn.Conv2d(ch, dim, 3, 1, 1))
        self.vq = VectorQuantizer(64, dim)
        self.dec = nn.Sequential(nn.Conv2d(dim + 4, ch, 3, 1, 1), nn.SiLU(), nn.Upsample(scale_factor=2),
                                 nn.Conv2d(ch, ch, 3, 1, 1), nn.SiLU(), nn.Upsample(scale_factor=2))
        self.out = nn.Sequential(nn.Conv2d(ch + 4, ch, 3, 1, 1), nn.SiLU(), nn.Conv2d(ch, 1, 3, 1, 1))

    def forward(self, x):
        q, vq_loss = self.vq(self.enc(x))
        b = len(x)
        h = self.dec(torch.cat([q, torch.randn(b, 4, 4, 4)], 1))
        return self.out(torch.cat([h, torch.randn(b, 4, 16, 16)], 1)), vq_loss


class PatchDiscriminator(nn.Module):
    def __init__(self, ch=20):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, ch, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(ch, ch, 4, 2, 1),
                                 nn.LeakyReLU(0.2), nn.Conv2d(ch, 1, 3, 1, 1))

    def forward(self, x):
        return self.net(x)


def discriminator_loss(logits_real, logits_fake):
    real_loss = functional.binary_cross_entropy_with_logits(logits_real, target=torch.ones_like(logits_real))
    fake_loss = functional.binary_cross_entropy_with_logits(logits_fake, target=torch.zeros_like(logits_fake))
    return 0.5 * (real_loss + fake_loss)


def generator_loss(logits_fake):
    return functional.binary_cross_entropy_with_logits(logits_fake, target=torch.ones_like(logits_fake))


def grain_energy(x):
    smooth = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)
    return ((x - smooth) ** 2).mean().item()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train, test = textures(3000, rng), textures(400, rng)
    ae, disc = VQAE(), PatchDiscriminator()
    opt_ae = torch.optim.Adam(ae.parameters(), lr=1e-3, betas=(0.5, 0.9))
    opt_d = torch.optim.Adam(disc.parameters(), lr=1e-3, betas=(0.5, 0.9))
    start_disc = 50
    for step in range(350):
        x = train[torch.randint(len(train), (24,))]
        rec, vq_loss = ae(x)
        loss = functional.l1_loss(rec, x) + vq_loss
        if step >= start_disc:
            loss = loss + 0.3 * generator_loss(disc(rec))
        opt_ae.zero_grad()
        loss.backward()
        opt_ae.step()
        d_loss = discriminator_loss(disc(x), disc(rec.detach()))
        opt_d.zero_grad()
        d_loss.backward()
        opt_d.step()
        if step % 50 == 0:
            print(f"step {step} ae loss {loss.item():.4f} disc loss {d_loss.item():.4f}")
    with torch.no_grad():
        rec, _ = ae(test)
    gap = abs(np.log(grain_energy(rec) / grain_energy(test)))
    print("held-out L1", functional.l1_loss(rec, test).item())
    print("RESULT " + json.dumps({"metric": "log-gap of the grain energy, reconstructions against images", "value": round(float(gap), 4)}))


if __name__ == "__main__":
    main()
