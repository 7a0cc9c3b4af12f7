import json
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader


class VAE(nn.Module):
    def __init__(self, latent_dim=2):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(64 * 4, 16), nn.ReLU(),
        )
        self.z_mean = nn.Linear(16, latent_dim)
        self.z_log_var = nn.Linear(16, latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, 64 * 4), nn.ReLU(), nn.Unflatten(1, (64, 2, 2)),
            nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 1, 3, padding=1), nn.Sigmoid(),
        )

    def forward(self, x):
        h = self.encoder(x)
        mean, log_var = self.z_mean(h), self.z_log_var(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
        return self.decoder(z), mean, log_var


def vae_loss(data, reconstruction, z_mean, z_log_var):
    reconstruction_loss = F.binary_cross_entropy(reconstruction, data) * data[0].numel()
    kl_loss = 1 + z_log_var - z_mean.pow(2) - z_log_var.exp()
    kl_loss = -0.5 * kl_loss.mean()
    return reconstruction_loss + kl_loss, reconstruction_loss, kl_loss


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
images = torch.tensor(load_digits().images / 16.0, dtype=torch.float32).unsqueeze(1)
images = images[torch.randperm(len(images))]
train, test = images[:1500], images[1500:]
vae = VAE()
optimizer = optim.Adam(vae.parameters(), lr=1e-3)
for epoch in range(1, 31):
    vae.train()
    for batch in DataLoader(train, batch_size=128, shuffle=True):
        reconstruction, mean, log_var = vae(batch)
        loss, rec, kl = vae_loss(batch, reconstruction, mean, log_var)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"Epoch {epoch}: loss {loss.item():.4f} reconstruction_loss {rec.item():.4f} kl_loss {kl.item():.5f}")

vae.eval()
with torch.no_grad():
    mean = vae.z_mean(vae.encoder(test))
    mse = F.mse_loss(vae.decoder(mean), test).item()
print("RESULT", json.dumps({"metric": "reconstruction_mse", "value": mse}))
