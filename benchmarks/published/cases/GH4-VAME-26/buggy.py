import argparse
import json

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
parser.add_argument("--scheduler", type=int, default=0)
parser.add_argument("--epochs", type=int, default=24)
parser.add_argument("--step_size", type=int, default=6)
args = parser.parse_args()

TIME_WINDOW, NUM_FEATURES, ZDIMS = 20, 6, 8


class RNN_VAE(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.encoder = nn.GRU(NUM_FEATURES, hidden, batch_first=True, bidirectional=True)
        self.mu = nn.Linear(2 * hidden, ZDIMS)
        self.logvar = nn.Linear(2 * hidden, ZDIMS)
        self.latent_to_hidden = nn.Linear(ZDIMS, hidden)
        self.decoder = nn.GRU(ZDIMS, hidden, batch_first=True)
        self.out = nn.Linear(hidden, NUM_FEATURES)

    def forward(self, x):
        _, h = self.encoder(x)
        h = torch.cat([h[0], h[1]], 1)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp() if self.training else mu
        steps = z.unsqueeze(1).expand(-1, TIME_WINDOW, -1)
        y, _ = self.decoder(steps, torch.tanh(self.latent_to_hidden(z)).unsqueeze(0))
        return self.out(y), mu, logvar


def windows(rng, n):
    t = np.arange(TIME_WINDOW) / TIME_WINDOW
    out = np.zeros((n, TIME_WINDOW, NUM_FEATURES), dtype=np.float32)
    for k in range(n):
        f, ph, amp = rng.uniform(0.5, 2.5), rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.5)
        for j in range(NUM_FEATURES):
            out[k, :, j] = amp * np.sin(2 * np.pi * f * t + ph + 0.6 * j)
    return torch.from_numpy(out + 0.05 * rng.standard_normal(out.shape).astype(np.float32))


def train(loader, model, optimizer, scheduler, kl_weight):
    model.train()
    total = 0.0
    for x in loader:
        x_tilde, mu, logvar = model(x)
        rec = nn.functional.mse_loss(x_tilde, x)
        kl = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
        loss = rec + kl_weight * kl
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
        total += loss.item()
    scheduler.step()
    return total / len(loader)


torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)
train_set, test_set = windows(rng, 1200), windows(rng, 300)
loader = DataLoader(train_set, batch_size=64, shuffle=True)
model = RNN_VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)
if args.scheduler:
    scheduler = StepLR(optimizer, step_size=args.step_size, gamma=0.2, last_epoch=-1)
else:
    scheduler = StepLR(optimizer, step_size=args.step_size, gamma=0, last_epoch=-1)

for epoch in range(1, args.epochs + 1):
    loss = train(loader, model, optimizer, scheduler, kl_weight=1e-3)
    model.eval()
    with torch.no_grad():
        test = nn.functional.mse_loss(model(test_set)[0], test_set).item()
    if epoch % 3 == 0:
        print(f"Epoch: {epoch}. Train loss: {loss:.4f}, Test MSE: {test:.4f}")
print("RESULT", json.dumps({"metric": "test_mse", "value": test}))
