import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

Z_DIM = 16
EPOCHS = 14
BATCH_SIZE = 50


def frames(n):
    # small car-racing like frames: grass, a road with a bend, a car
    yy, xx = np.mgrid[:32, :32].astype("float32")
    out = np.zeros((n, 3, 32, 32), dtype="float32")
    for i in range(n):
        bend, shift, width = np.random.uniform(-0.02, 0.02), np.random.uniform(-6, 6), np.random.uniform(4, 7)
        centre = 16 + shift + bend * (31 - yy) ** 2
        road = np.abs(xx - centre) < width
        out[i, 0] = np.where(road, 0.45, 0.3)
        out[i, 1] = np.where(road, 0.45, 0.8)
        out[i, 2] = np.where(road, 0.45, 0.3)
        cx = int(np.clip(16 + np.random.randint(-4, 5), 2, 29))
        out[i, 0, 25:29, cx - 1:cx + 2] = 0.9
        out[i, 1:, 25:29, cx - 1:cx + 2] = 0.05
    return torch.from_numpy(out)


train_x, val_x = frames(1000), frames(150)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(3, 16, 4, stride=2, padding=1)
        self.c2 = nn.Conv2d(16, 32, 4, stride=2, padding=1)
        self.c3 = nn.Conv2d(32, 32, 4, stride=2, padding=1)
        self.mean = nn.Linear(512, Z_DIM)
        self.log_var = nn.Linear(512, Z_DIM)
        self.fc = nn.Linear(Z_DIM, 512)
        self.d1 = nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1)
        self.d2 = nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1)
        self.d3 = nn.ConvTranspose2d(16, 3, 4, stride=2, padding=1)

    def encode(self, x):
        h = F.relu(self.c3(F.relu(self.c2(F.relu(self.c1(x))))))
        h = h.flatten(1)
        return self.mean(h), self.log_var(h)

    def decode(self, z):
        h = F.relu(self.fc(z)).view(-1, 32, 4, 4)
        h = F.relu(self.d2(F.relu(self.d1(h))))
        return torch.sigmoid(self.d3(h))

    def forward(self, x):
        mean, log_var = self.encode(x)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean) if self.training else mean
        return self.decode(z), mean, log_var


def vae_r_loss(x, out):
    return torch.sum(torch.square(x - out), dim=(1, 2, 3)).mean()


def vae_kl_loss(mean, log_var):
    return -0.5 * torch.sum(1 + log_var - torch.square(mean) - torch.exp(log_var), dim=1).mean()


vae = VAE()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)

for epoch in range(1, EPOCHS + 1):
    vae.train()
    order = torch.randperm(len(train_x))
    r_sum = kl_sum = 0.0
    for i in range(0, len(order), BATCH_SIZE):
        x = train_x[order[i:i + BATCH_SIZE]]
        out, mean, log_var = vae(x)
        r, kl = vae_r_loss(x, out), vae_kl_loss(mean, log_var)
        loss = r + kl
        opt.zero_grad()
        loss.backward()
        opt.step()
        r_sum += r.item() * len(x)
        kl_sum += kl.item() * len(x)
    vae.eval()
    with torch.no_grad():
        val_mse = F.mse_loss(vae(val_x)[0], val_x).item()
    n = len(train_x)
    print(f"epoch {epoch} vae_r_loss {r_sum / n:.4f} vae_kl_loss {kl_sum / n:.3e} val_mse {val_mse:.5f}")

print("RESULT", json.dumps({"metric": "val_mse", "value": val_mse}))
