import sys
import json
import math
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

N_ATOMS = 5
N_TYPES = 3
CUTOFF = 6.0


class ShiftedSoftplus(nn.Module):
    def forward(self, x):
        return F.softplus(x) - math.log(2.0)


class RadialBasis(nn.Module):
    def __init__(self, n_rbf):
        super().__init__()
        self.register_buffer("mu", torch.linspace(0.8, CUTOFF, n_rbf))
        self.gamma = 4.0

    def forward(self, d):
        fc = 0.5 * (torch.cos(math.pi * d / CUTOFF) + 1.0) * (d < CUTOFF).float()
        return torch.exp(-self.gamma * (d.unsqueeze(-1) - self.mu) ** 2) * fc.unsqueeze(-1)


class PhysNetResidual(nn.Module):
    def __init__(self, dim, activation):
        super().__init__()
        self.activation = activation
        self.dense1 = nn.Linear(dim, dim)
        self.dense2 = nn.Linear(dim, dim)

    def forward(self, x):
        return x + self.dense2(self.activation(self.dense1(self.activation(x))))


class PhysNetInteraction(nn.Module):
    def __init__(self, dim, n_rbf, activation):
        super().__init__()
        self.activation = activation
        self.attention_mask = nn.Linear(n_rbf, dim, bias=False)
        self.interaction_i = nn.Linear(dim, dim)
        self.interaction_j = nn.Linear(dim, dim)
        self.residual = PhysNetResidual(dim, activation)
        self.interaction_v = nn.Linear(dim, dim)
        self.gate = nn.Parameter(torch.ones(dim))

    def forward(self, x, f_ij, pair_mask):
        x_tilde = self.activation(x)
        i_part = self.activation(self.interaction_i(x_tilde))
        j_part = self.activation(self.interaction_j(x_tilde))
        w = self.attention_mask(f_ij) * pair_mask
        v = i_part + (w * j_part.unsqueeze(1)).sum(2)
        v = self.activation(self.residual(v))
        return self.gate * x + self.interaction_v(v)


class PhysNetOutput(nn.Module):
    def __init__(self, dim, activation):
        super().__init__()
        self.residual = PhysNetResidual(dim, activation)
        self.activation = activation
        self.output = nn.Linear(dim, 1)

    def forward(self, x):
        x = self.residual(x)
        return self.output(self.activation(x)).squeeze(-1)


class PhysNet(nn.Module):
    def __init__(self, dim=32, n_rbf=20, n_modules=1):
        super().__init__()
        self.embedding = nn.Embedding(N_TYPES, dim)
        self.rbf = RadialBasis(n_rbf)
        activation = ShiftedSoftplus()
        self.interactions = nn.ModuleList([PhysNetInteraction(dim, n_rbf, activation) for _ in range(n_modules)])
        self.outputs = nn.ModuleList([PhysNetOutput(dim, activation) for _ in range(n_modules)])
        self.register_buffer("pair_mask", (1.0 - torch.eye(N_ATOMS)).view(1, N_ATOMS, N_ATOMS, 1))

    def forward(self, z, r):
        d = (r.unsqueeze(1) - r.unsqueeze(2)).pow(2).sum(-1).add(1e-8).sqrt()
        f_ij = self.rbf(d)
        x = self.embedding(z)
        e = 0.0
        for inter, out in zip(self.interactions, self.outputs):
            x = inter(x, f_ij, self.pair_mask)
            e = e + out(x)
        return e.mean(1)


def make_molecules(n, rng):
    z = rng.randint(0, N_TYPES, (n, N_ATOMS))
    r = np.zeros((n, N_ATOMS, 3))
    for i in range(n):
        k = 0
        while k < N_ATOMS:
            p = rng.uniform(-1.8, 1.8, 3)
            if k == 0 or np.min(np.linalg.norm(r[i, :k] - p, axis=1)) > 1.0:
                r[i, k] = p
                k += 1
    depth = np.array([[1.0, 2.0, 0.5], [2.0, 1.5, 3.0], [0.5, 3.0, 1.0]])
    r0 = np.array([[1.2, 1.5, 1.8], [1.5, 1.3, 1.6], [1.8, 1.6, 2.0]])
    e = np.zeros(n)
    for a in range(N_ATOMS):
        for b in range(a + 1, N_ATOMS):
            d = np.linalg.norm(r[:, a] - r[:, b], axis=1)
            D, R = depth[z[:, a], z[:, b]], r0[z[:, a], z[:, b]]
            e += D * ((1 - np.exp(-1.2 * (d - R))) ** 2 - 1)
    return torch.tensor(z), torch.tensor(r, dtype=torch.float32), torch.tensor(e / N_ATOMS, dtype=torch.float32)


rng = np.random.RandomState(50 + seed)
z, r, e = make_molecules(4000, rng)
z_test, r_test, e_test = make_molecules(1000, rng)
e_mean, e_std = e.mean(), e.std()
e, e_test = (e - e_mean) / e_std, (e_test - e_mean) / e_std

model = PhysNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
n_epochs, batch_size = 14, 64
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)

for epoch in range(n_epochs):
    model.train()
    perm = torch.randperm(len(e))
    total = 0.0
    for s in range(0, len(perm), batch_size):
        idx = perm[s:s + batch_size]
        optimizer.zero_grad()
        loss = F.mse_loss(model(z[idx], r[idx]), e[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        pred = model(z_test, r_test)
        rmse = (pred - e_test).pow(2).mean().sqrt().item()
    print(f"epoch {epoch} train_loss {total / len(perm):.4f} val_rmse {rmse:.4f}")

r2 = 1 - (pred - e_test).pow(2).sum().item() / (e_test - e_test.mean()).pow(2).sum().item()
print("RESULT " + json.dumps({"metric": "test R2 of energy", "value": round(r2, 4)}))
