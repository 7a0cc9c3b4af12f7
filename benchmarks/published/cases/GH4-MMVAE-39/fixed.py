import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

GENES = {"human": 60, "mouse": 50}


class Expert(nn.Module):
    def __init__(self, n_genes, shared):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_genes, 48), nn.ReLU(), nn.Linear(48, shared))
        self.decoder = nn.Linear(shared, n_genes)


class SharedVAE(nn.Module):
    def __init__(self, dim=24, latent=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(dim, 24), nn.ReLU())
        self.mean = nn.Linear(24, latent)
        self.var = nn.Linear(24, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, dim))

    def forward(self, x):
        h = self.encoder(x)
        mu, logvar = self.mean(h), self.var(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar) if self.training else mu
        return self.decoder(z), mu, logvar


def make_data(rng, n):
    out = {}
    for name, genes in GENES.items():
        w1, w2 = rng.normal(0, 1, (5, 16)), rng.normal(0, 0.5, (16, genes))
        state = rng.normal(0, 1, (n, 5))
        x = np.tanh(state @ w1) @ w2 + 0.1 * rng.normal(size=(n, genes))
        out[name] = torch.tensor(x, dtype=torch.float32)
    return out


class Trainer:
    def __init__(self, seed):
        torch.manual_seed(seed)
        data = make_data(np.random.default_rng(seed), 1500)
        self.loaders = {k: DataLoader(TensorDataset(v[:1200]), batch_size=64, shuffle=True) for k, v in data.items()}
        self.test = {k: v[1200:] for k, v in data.items()}
        self.experts = nn.ModuleDict({k: Expert(g, 24) for k, g in GENES.items()})
        self.shared_vae = SharedVAE()
        self.expert_opt = {k: torch.optim.Adam(self.experts[k].parameters(), lr=1e-3) for k in GENES}
        self.shared_opt = torch.optim.Adam(self.shared_vae.parameters(), lr=1e-3)

    def forward(self, name, x):
        expert = self.experts[name]
        y, mu, logvar = self.shared_vae(expert.encoder(x))
        return expert.decoder(y), mu, logvar

    def train_epoch(self):
        self.shared_vae.train()
        total, n = 0.0, 0
        for batches in zip(*self.loaders.values()):
            for name, (x,) in zip(self.loaders, batches):
                rec, mu, logvar = self.forward(name, x)
                kl = -0.5 * (1 + logvar - mu ** 2 - logvar.exp()).sum(1).mean()
                loss = F.mse_loss(rec, x) + 1e-4 * kl
                self.shared_opt.zero_grad()
                self.expert_opt[name].zero_grad()
                loss.backward()
                self.shared_opt.step()
                self.expert_opt[name].step()
                total, n = total + loss.item(), n + 1
        return total / n

    @torch.no_grad()
    def evaluate(self):
        self.shared_vae.eval()
        return float(np.mean([F.mse_loss(self.forward(k, x)[0], x).item() for k, x in self.test.items()]))


if __name__ == "__main__":
    trainer = Trainer(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    for epoch in range(1, 41):
        train_loss = trainer.train_epoch()
        mse = trainer.evaluate()
        if epoch % 5 == 0:
            print(f"epoch {epoch} train loss {train_loss:.4f} test mse {mse:.4f}")
    print("RESULT", json.dumps({"metric": "test_mse", "value": mse}))
