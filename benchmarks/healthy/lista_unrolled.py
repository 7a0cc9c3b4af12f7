"""LISTA: ISTA unrolled for six layers and trained, against sixty steps of plain ISTA."""
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(SEED)
M, N, LAYERS, NOISE = 30, 50, 6, 0.02
A = torch.randn(M, N)
A = A / A.norm(dim=0)


def make(n):
    z = torch.randn(n, N) * (torch.rand(n, N) < 0.08)
    return TensorDataset(z @ A.T + NOISE * torch.randn(n, M), z)


class SoftThreshold(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, theta):
        out = torch.sign(x) * torch.relu(x.abs() - theta)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        (out,) = ctx.saved_tensors
        active = (out != 0).to(g.dtype)
        return g * active, (-g * torch.sign(out)).sum(0)


def ista(y, steps, lam=0.03):
    L = torch.linalg.matrix_norm(A, 2) ** 2
    z = torch.zeros(len(y), N)
    for _ in range(steps):
        z = z - (z @ A.T - y) @ A / L
        z = torch.sign(z) * torch.relu(z.abs() - lam / L)
    return z


class LISTA(nn.Module):
    def __init__(self):
        super().__init__()
        L = torch.linalg.matrix_norm(A, 2).item() ** 2
        self.We = nn.ParameterList([nn.Parameter(A.T.clone() / L) for _ in range(LAYERS)])
        self.S = nn.ParameterList([nn.Parameter(torch.eye(N) - A.T @ A / L) for _ in range(LAYERS - 1)])
        self.theta = nn.ParameterList([nn.Parameter(torch.full((N,), 0.1 / L)) for _ in range(LAYERS)])

    def forward(self, y):
        z = SoftThreshold.apply(y @ self.We[0].T, self.theta[0])
        for k in range(1, LAYERS):
            z = SoftThreshold.apply(y @ self.We[k].T + z @ self.S[k - 1].T, self.theta[k])
        return z


def nmse(pred, z):
    return (((pred - z) ** 2).sum() / (z ** 2).sum()).item()


train, val, test = make(90000), make(2000), make(4000)
dl = DataLoader(train, batch_size=None, sampler=torch.utils.data.BatchSampler(
    torch.utils.data.RandomSampler(train), 200, drop_last=False))
net = LISTA()
EPOCHS = 5
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, total_steps=EPOCHS * len(dl), pct_start=0.1)
print(f"untrained NMSE {nmse(net(val.tensors[0]).detach(), val.tensors[1]):.4f}")
for epoch in range(EPOCHS):
    net.train()
    tot = 0.0
    for y, z in dl:
        loss = ((net(y) - z) ** 2).sum(1).mean()
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
        sched.step()
        tot += loss.item() * len(y)
    net.eval()
    with torch.no_grad():
        print(f"epoch {epoch + 1} train {tot / len(train):.4f} val {((net(val.tensors[0]) - val.tensors[1]) ** 2).sum(1).mean():.4f}")
with torch.no_grad():
    y, z = test.tensors
    a, b, c = nmse(net(y), z), nmse(ista(y, LAYERS), z), nmse(ista(y, 60), z)
print(f"NMSE LISTA {a:.4f}  ISTA {LAYERS} steps {b:.4f}  ISTA 60 steps {c:.4f}")
print("RESULT " + json.dumps({"nmse": round(a, 4), "good": a < 0.8 * c}))
