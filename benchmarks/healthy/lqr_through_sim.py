"""Learn a controller by back-propagating through the simulator; the optimum (Riccati) is known.

Eight numbers are trained. The cost levels off far above zero because the plant is shaken by noise.
"""
import json
import sys

import numpy as np
import torch
from scipy.linalg import solve_discrete_are

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
A = torch.tensor([[1.0, 0.1, 0.0, 0.0], [0.0, 0.98, 0.1, 0.0], [0.0, 0.0, 1.0, 0.1], [0.05, 0.0, 0.0, 0.97]])
B = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 0.02], [0.0, 0.1]])
Q, R, NOISE, H = torch.eye(4), 0.1 * torch.eye(2), 0.1, 60


def rollout(K, n, horizon, g):
    x, cost = torch.randn(n, 4, generator=g), 0.0
    for _ in range(horizon):
        u = -x @ K.T
        cost = cost + ((x @ Q) * x).sum(1) + ((u @ R) * u).sum(1)
        x = x @ A.T + u @ B.T + NOISE * torch.randn(n, 4, generator=g)
    return cost.mean() / horizon


g = torch.Generator().manual_seed(seed)
K = torch.zeros(2, 4, requires_grad=True)
opt = torch.optim.Adam([K], lr=0.1)
steps = 500
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
for s in range(1, steps + 1):
    loss = rollout(K, 64, H, g)
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([K], 5.0)
    opt.step()
    sched.step()
    if s % 25 == 0:
        print(f"step {s} cost per step {loss.item():.4f}")

a, b, q, r = (m.numpy().astype(float) for m in (A, B, Q, R))
P = solve_discrete_are(a, b, q, r)
K_opt = torch.tensor(np.linalg.solve(r + b.T @ P @ b, b.T @ P @ a), dtype=torch.float32)
with torch.no_grad():  # same noise for all three
    ours, best, none = (rollout(k, 4000, H, torch.Generator().manual_seed(10_000 + seed)).item() for k in (K, K_opt, torch.zeros(2, 4)))
print(f"learned {ours:.4f}  Riccati {best:.4f}  no control {none:.4f}")
print("RESULT " + json.dumps({"metric": "cost_over_riccati", "value": round(ours / best, 4), "good": bool(ours < 1.03 * best)}))
