import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def colour_images(n, rng, size=16):
    yy, xx = np.mgrid[0:size, 0:size] / (size - 1)
    out = np.zeros((n, 3, size, size), dtype=np.float32)
    for k in range(n):
        a, b = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
        ang = rng.uniform(0, 2 * np.pi)
        ramp = np.clip((np.cos(ang) * (xx - 0.5) + np.sin(ang) * (yy - 0.5)) + 0.5, 0, 1)
        img = a[:, None, None] * (1 - ramp) + b[:, None, None] * ramp
        cx, cy, r = rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75), rng.uniform(0.1, 0.25)
        disc = ((xx - cx) ** 2 + (yy - cy) ** 2) < r ** 2
        img[:, disc] = rng.uniform(0, 1, 3)[:, None]
        out[k] = img
    return torch.from_numpy(out)


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, x):
        return (x - self.mean) / self.std


class Encoder(nn.Module):
    def __init__(self, z_dim):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.LeakyReLU(), nn.Flatten(),
        )
        self.mu = nn.Linear(64 * 16, z_dim)
        self.log_var = nn.Linear(64 * 16, z_dim)

    def forward(self, x):
        h = self.net(x)
        return self.mu(h), self.log_var(h)


class Decoder(nn.Module):
    def __init__(self, z_dim):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(z_dim, 64 * 16), nn.Unflatten(1, (64, 4, 4)),
            nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(),
            nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z)


class VAE(nn.Module):
    def __init__(self, z_dim=16):
        super().__init__()
        self.encoder, self.decoder = Encoder(z_dim), Decoder(z_dim)

    def forward(self, x):
        mu, log_var = self.encoder(x)
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu) if self.training else mu
        return self.decoder(z), mu, log_var


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    transform = Normalize(0.5, 0.5)
    images = transform(colour_images(1400, np.random.default_rng(seed)))
    train_loader = DataLoader(TensorDataset(images[:1200]), batch_size=64, shuffle=True)
    test = images[1200:]
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(12):
        model.train()
        total_r = total_kl = 0.0
        for (x,) in train_loader:
            predictions, mu, log_var = model(x)
            r_loss = F.mse_loss(predictions, x, reduction="none").sum((1, 2, 3)).mean()
            kl_loss = -0.5 * (1 + log_var - mu ** 2 - log_var.exp()).sum(1).mean()
            loss = r_loss + kl_loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total_r += r_loss.item()
            total_kl += kl_loss.item()
        model.eval()
        with torch.no_grad():
            mse = F.mse_loss(model(test)[0], test).item()
        print(f"epoch {epoch + 1} r_loss {total_r / len(train_loader):.2f} kl_loss {total_kl / len(train_loader):.2f} test mse {mse:.4f}")
    print("RESULT", json.dumps({"metric": "reconstruction_mse", "value": mse}))


if __name__ == "__main__":
    main()
