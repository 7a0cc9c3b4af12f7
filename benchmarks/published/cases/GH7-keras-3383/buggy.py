import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

batch_size, original_dim, intermediate_dim, latent_dim, epochs = 50, 64, 128, 6, 40

x = load_digits().data.astype("float32") / 16.0
np.random.shuffle(x)
x_train, x_test = torch.from_numpy(x[:1400]), torch.from_numpy(x[1400:])


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.h = nn.Linear(original_dim, intermediate_dim)
        self.z_mean = nn.Linear(intermediate_dim, latent_dim)
        self.z_log_var = nn.Linear(intermediate_dim, latent_dim)
        self.decoder_h = nn.Linear(latent_dim, intermediate_dim)
        self.decoder_mean = nn.Linear(intermediate_dim, original_dim)

    def forward(self, x):
        h = torch.relu(self.h(x))
        mean, log_var = self.z_mean(h), self.z_log_var(h)
        z = mean
        if self.training:
            z = mean + torch.randn_like(mean) * torch.exp(log_var / 2)
        return torch.sigmoid(self.decoder_mean(torch.relu(self.decoder_h(z)))), mean, log_var


def vae_loss(x, x_decoded_mean, z_mean, z_log_var):
    xent_loss = nn.functional.binary_cross_entropy(x_decoded_mean, x)
    kl_loss = -0.5 * torch.sum(1 + z_log_var - z_mean ** 2 - torch.exp(z_log_var), dim=-1).mean()
    return xent_loss + kl_loss


vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=2e-3)
for epoch in range(epochs):
    vae.train()
    order = torch.randperm(len(x_train))
    running = 0.0
    for i in range(0, len(order), batch_size):
        xb = x_train[order[i:i + batch_size]]
        loss = vae_loss(xb, *vae(xb))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * len(xb)
    vae.eval()
    with torch.no_grad():
        out = vae(x_test)
        val_loss = vae_loss(x_test, *out).item()
        mse = ((out[0] - x_test) ** 2).mean().item()
    if epoch % 4 == 3:
        print(f"Epoch {epoch + 1}/{epochs} - loss: {running / len(x_train):.4f} - val_loss: {val_loss:.4f} - val_mse: {mse:.4f}")

print("RESULT", json.dumps({"metric": "reconstruction_mse", "value": mse}))
