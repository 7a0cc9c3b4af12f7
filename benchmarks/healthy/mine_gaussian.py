"""MINE: the mutual information of correlated Gaussians from the Donsker-Varadhan bound, compared with the exact value."""
import json
import math
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
DIM, RHO = 6, 0.6
TRUE_MI = -0.5 * DIM * math.log(1 - RHO ** 2)


def joint(n):
    a = torch.randn(n, DIM)
    return a, RHO * a + math.sqrt(1 - RHO ** 2) * torch.randn(n, DIM)


class Statistic(nn.Module):
    def __init__(self, hidden=96):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 * DIM, hidden), nn.ELU(), nn.Linear(hidden, hidden), nn.ELU(), nn.Linear(hidden, 1))

    def forward(self, x, y):
        return self.net(torch.cat([x, y], 1)).squeeze(1)


class EmaLogMeanExp(torch.autograd.Function):
    """log E[exp t] whose gradient divides by a running mean, which removes the bias of small batches (Belghazi et al.)."""

    @staticmethod
    def forward(ctx, t, running):
        ctx.save_for_backward(t, running)
        return torch.logsumexp(t, 0) - math.log(len(t))

    @staticmethod
    def backward(ctx, grad):
        t, running = ctx.saved_tensors
        return grad * t.exp() / (running * len(t)), None


T = Statistic()
STEPS, BATCH = 3000, 512
opt = torch.optim.Adam(T.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, STEPS, eta_min=1e-5)
running, recent = torch.tensor(1.0), []
for step in range(1, STEPS + 1):
    x, y = joint(BATCH)
    t_joint, t_marg = T(x, y), T(x, y.roll(1, 0))          # rolling the batch breaks the pairing
    running = 0.98 * running + 0.02 * t_marg.detach().exp().mean()
    bound = t_joint.mean() - EmaLogMeanExp.apply(t_marg, running)
    loss = -bound
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(T.parameters(), 1.0)
    opt.step()
    sched.step()
    recent.append(bound.item())
    if step % 300 == 0:
        print(f"step {step:4d}  loss {-sum(recent[-300:]) / 300:+.4f}  (exact information {TRUE_MI:.4f})")

T.eval()
with torch.no_grad():
    x, y = joint(200_000)
    xm, ym = torch.randn(200_000, DIM), torch.randn(200_000, DIM)
    estimate = (T(x, y).mean() - (torch.logsumexp(T(xm, ym), 0) - math.log(200_000))).item()
print(f"estimate on fresh samples {estimate:.4f}, exact {TRUE_MI:.4f} nats")
print("RESULT", json.dumps({"mi_nats": round(estimate, 4), "good": 0.93 * TRUE_MI < estimate < 1.02 * TRUE_MI}))
