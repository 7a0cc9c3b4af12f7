"""MADE fitted to samples of an Ising ring; the entropy of the ring is known exactly."""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
N = 12
gen = np.random.default_rng(seed)
J = gen.uniform(0.5, 1.2, N) * gen.choice([-1, 1], N)
field = gen.normal(0, 0.2, N)

states = ((np.arange(2 ** N)[:, None] >> np.arange(N)) & 1).astype(np.float32)
spins = 2 * states - 1
energy = -(spins * np.roll(spins, -1, 1) * J).sum(1) - (spins * field).sum(1)
logp = -energy - np.logaddexp.reduce(-energy)
ENTROPY = float(-(np.exp(logp) * logp).sum())
prob = np.exp(logp) / np.exp(logp).sum()


def draw(n):
    return torch.from_numpy(states[gen.choice(2 ** N, n, p=prob)])


class MaskedLinear(nn.Linear):
    def __init__(self, i, o, mask):
        super().__init__(i, o)
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    def __init__(self, h=120):
        super().__init__()
        d_in = torch.arange(1, N + 1)
        d_h = torch.arange(h) % (N - 1) + 1
        self.l1 = MaskedLinear(N, h, (d_h[:, None] >= d_in[None]).float())
        self.l2 = MaskedLinear(h, h, (d_h[:, None] >= d_h[None]).float())
        self.l3 = MaskedLinear(h, N, (d_in[:, None] > d_h[None]).float())

    def forward(self, x):
        z = 2 * x - 1
        return self.l3(F.relu(self.l2(F.relu(self.l1(z)))))

    def nll(self, x):
        return F.binary_cross_entropy_with_logits(self(x), x, reduction="none").sum(1)


train, val = draw(30000), draw(4000)
model = MADE()
EPOCHS, B = 14, 150
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS * len(train) // B)
print(f"exact entropy {ENTROPY:.4f} nats")
for epoch in range(EPOCHS):
    model.train()
    tot = 0.0
    for idx in torch.randperm(len(train)).split(B):
        loss = model.nll(train[idx]).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        print(f"epoch {epoch + 1} train nll {tot / len(train):.4f} val nll {model.nll(val).mean():.4f}")
with torch.no_grad():
    q = -model.nll(torch.from_numpy(states)).double().numpy()
kl = float((prob * (logp - q)).sum())
print(f"sum of model probabilities {np.exp(q).sum():.5f}, exact KL to the ring {kl:.4f} nats")
print("RESULT " + json.dumps({"kl_nats": round(kl, 4), "good": kl < 0.03}))
