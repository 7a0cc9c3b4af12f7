"""Noise2Noise on 1-D signals: both input and target are noisy; judged against clean signals."""
import json
import sys

import torch
import torch.nn.functional as F
from scipy.signal import savgol_filter
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
L, SIGMA = 64, 0.5
grid = torch.linspace(0, 1, L)


def clean(n):
    """Blocky signals: a slow tone and four jumps at random places."""
    f = torch.empty(n, 1).uniform_(0.5, 1.5)
    ph = torch.empty(n, 1).uniform_(0, 6.2832)
    tone = 0.5 * torch.sin(6.2832 * f * grid + ph)
    at = torch.empty(n, 4, 1).uniform_(0.05, 0.95)
    jump = torch.empty(n, 4, 1).uniform_(1.0, 2.5) * torch.empty(n, 4, 1).bernoulli_(0.5).mul(2).sub(1)
    return (tone + (jump * (grid > at).float()).sum(1))[:, None]


def noisy(c):
    return c + SIGMA * torch.randn_like(c)


class Denoiser(nn.Module):
    def __init__(self, ch=20):
        super().__init__()
        self.inp = nn.Conv1d(1, ch, 5, padding=2)
        self.mid = nn.ModuleList([nn.Conv1d(ch, ch, 5, padding=2 * d, dilation=d) for d in (1, 2, 4)])
        self.out = nn.Conv1d(ch, 1, 5, padding=2)

    def forward(self, x):
        h = F.gelu(self.inp(x))
        for conv in self.mid:
            h = h + F.gelu(conv(h))
        return x + self.out(h)


train_c, val_c, test_c = clean(6000), clean(600), clean(1500)
a, b = noisy(train_c), noisy(train_c)          # the two noisy recordings; the clean ones are not used in training
del train_c
va, vb, t = noisy(val_c), noisy(val_c), noisy(test_c)
net = Denoiser()
EPOCHS, B = 8, 100
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS * len(a) // B)
for epoch in range(EPOCHS):
    net.train()
    tot = 0.0
    for idx in torch.randperm(len(a)).split(B):
        x, y = a[idx], b[idx]
        swap = torch.rand(len(idx), 1, 1) < 0.5
        x, y = torch.where(swap, y, x), torch.where(swap, x, y)
        loss = F.mse_loss(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item() * len(idx)
    net.eval()
    with torch.no_grad():
        v = F.mse_loss(net(va), vb).item()
    print(f"epoch {epoch + 1} train mse to noisy {tot / len(a):.4f} val {v:.4f} (cannot go under {SIGMA ** 2:.2f})")
with torch.no_grad():
    mse = F.mse_loss(net(t), test_c).item()
sg = min(float(((savgol_filter(t.numpy(), w, p) - test_c.numpy()) ** 2).mean()) for w in (5, 7, 9, 11, 13, 15) for p in (2, 3))
print(f"mse to clean: network {mse:.4f}, best Savitzky-Golay {sg:.4f}, input {SIGMA ** 2:.4f}")
print("RESULT " + json.dumps({"mse_to_clean": round(mse, 4), "good": bool(mse < 0.75 * sg)}))
