import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class VAE(nn.Module):
    def __init__(self, d=64, h=96, z=6):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(d, h), nn.ReLU())
        self.mu, self.logvar = nn.Linear(h, z), nn.Linear(h, z)
        self.dec = nn.Sequential(nn.Linear(z, h), nn.ReLU(), nn.Linear(h, d))

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.dec(z), mu, logvar


def kl_divergence(mu, logvar, reduction="sum"):
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())
    return kl.sum() if reduction == "sum" else kl.sum(1).mean()


def loss_function(recon, x, mu, logvar):
    mse = F.mse_loss(recon, x)
    return mse + kl_divergence(mu, logvar), mse


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
    x = (x - x.mean()) / x.std()
    x = x[torch.randperm(len(x))]
    train, test = x[:1500], x[1500:]
    vae = VAE()
    optimizer = torch.optim.Adam(vae.parameters(), lr=2e-3)
    for epoch in range(20):
        for batch in train[torch.randperm(1500)].split(50):
            recon, mu, logvar = vae(batch)
            loss, mse = loss_function(recon, batch, mu, logvar)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.3f} mse {mse.item():.4f}")
    with torch.no_grad():
        mu = vae.mu(vae.enc(test))
        value = F.mse_loss(vae.dec(mu), test).item()
    print("RESULT", json.dumps({"metric": "reconstruction mse", "value": value}))


main()
