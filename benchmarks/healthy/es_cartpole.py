"""Evolution strategies (Salimans et al.) on cart-pole: no backpropagation; the search gradient is handed to Adam."""
import json
import sys

import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
HID, PAIRS, ENVS, SIGMA, HORIZON = 8, 32, 4, 0.15, 300
DIM = 4 * HID + HID + HID + 1


def act(w, s):
    """w (P, DIM), s (P, E, 4) -> push right? (P, E)"""
    a = w[:, :4 * HID].view(-1, 4, HID)
    b = w[:, 4 * HID:5 * HID, ].unsqueeze(1)
    c = w[:, 5 * HID:6 * HID].unsqueeze(2)
    return (torch.tanh(torch.bmm(s, a) + b) @ c).squeeze(2) + w[:, -1:] > 0


@torch.no_grad()
def returns(w, envs, horizon=HORIZON, gen=None):
    P = len(w)
    s = (0.1 * torch.rand(1, envs, 4, generator=gen) - 0.05).repeat(P, 1, 1) * 2
    alive = torch.ones(P, envs, dtype=torch.bool)
    score = torch.zeros(P, envs)
    scale = torch.tensor([0.5, 1.0, 5.0, 1.0])
    for _ in range(horizon):
        f = torch.where(act(w, s * scale), 10.0, -10.0)
        x, v, th, om = s.unbind(-1)
        cos, sin = th.cos(), th.sin()
        tmp = (f + 0.05 * om ** 2 * sin) / 1.1
        alpha = (9.8 * sin - cos * tmp) / (0.5 * (4 / 3 - 0.1 * cos ** 2 / 1.1))
        acc = tmp - 0.05 * alpha * cos / 1.1
        s = torch.stack([x + 0.02 * v, v + 0.02 * acc, th + 0.02 * om, om + 0.02 * alpha], -1)
        alive &= (s[..., 0].abs() < 2.4) & (s[..., 2].abs() < 0.209)
        score += alive
        s = torch.where(alive[..., None], s, torch.zeros(()))
        if not alive.any():
            break
    return score.mean(1)


theta = torch.nn.Parameter(0.1 * torch.randn(DIM))
opt = torch.optim.Adam([theta], lr=0.08)
GENERATIONS = 80
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, GENERATIONS, eta_min=0.01)
for gen in range(1, GENERATIONS + 1):
    eps = torch.randn(PAIRS, DIM)
    pop = theta.detach() + SIGMA * torch.cat([eps, -eps])
    fit = returns(pop, ENVS)
    rank = fit.argsort().argsort().float() / (len(fit) - 1) - 0.5      # rank shaping
    if (fit == fit[0]).all():
        rank = torch.zeros_like(rank)
    opt.zero_grad()
    theta.grad = -((rank[:PAIRS] - rank[PAIRS:]) @ eps) / (PAIRS * SIGMA)
    opt.step()
    sched.step()
    if gen % 10 == 0:
        print(f"generation {gen} population mean {fit.mean():.1f} best {fit.max():.1f} centre {returns(theta.detach()[None], 20).item():.1f}")
final = returns(theta.detach()[None], 100, 500).item()
rand = returns(torch.randn(50, DIM), 10, 500).mean().item()
print(f"100 fresh episodes of 500 steps: {final:.1f}; random policies {rand:.1f}")
print("RESULT", json.dumps({"return": round(final, 1), "good": final > 475}))
