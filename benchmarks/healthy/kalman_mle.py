"""Fit drag, process noise and sensor noise of a tracker by maximum likelihood, through a Kalman filter in torch.
Positions are in km, so densities are large and the loss is negative."""
import json
import math
import sys

import torch

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
TRUE = {"drag": 0.12, "q": 0.030, "r": 0.050}
DT = 1.0


def simulate(n, steps):
    x, v = torch.zeros(n), 0.3 * torch.randn(n)
    obs = []
    for _ in range(steps):
        obs.append(x + TRUE["r"] * torch.randn(n))
        x, v = x + DT * v, (1 - TRUE["drag"]) * v + TRUE["q"] * torch.randn(n)
    return torch.stack(obs, 1)


def negative_loglik(theta, z):
    drag, q, r = torch.sigmoid(theta[0]), theta[1].exp(), theta[2].exp()
    one, zero = torch.ones(()), torch.zeros(())
    F = torch.stack([torch.stack([one, DT * one]), torch.stack([zero, 1 - drag])])
    Q = torch.stack([torch.stack([zero, zero]), torch.stack([zero, q ** 2])])
    P = torch.diag(torch.tensor([1e-8, 0.09]))
    m = torch.zeros(len(z), 2)
    total = 0.0
    for k in range(z.shape[1]):
        s = P[0, 0] + r ** 2
        e = z[:, k] - m[:, 0]
        total = total + 0.5 * (math.log(2 * math.pi) + s.log() + e ** 2 / s).mean()
        gain = P[:, 0] / s
        m = m + e[:, None] * gain
        P = P - torch.outer(gain, P[0])
        m = m @ F.T
        P = F @ P @ F.T + Q
    return total / z.shape[1]


train, held = simulate(200, 60), simulate(400, 60)
theta = torch.tensor([0.0, math.log(0.2), math.log(0.2)], requires_grad=True)   # rough guesses
opt = torch.optim.Adam([theta], lr=0.05)
for it in range(260):
    opt.zero_grad()
    loss = negative_loglik(theta, train)
    loss.backward()
    opt.step()
    if it == 180:
        opt.param_groups[0]["lr"] = 0.01
    if it % 20 == 0:
        print(f"iter {it:3d} loss {loss.item():.5f} drag {torch.sigmoid(theta[0]).item():.4f} q {theta[1].exp().item():.4f} r {theta[2].exp().item():.4f}")

with torch.no_grad():
    truth = torch.tensor([math.log(TRUE["drag"] / (1 - TRUE["drag"])), math.log(TRUE["q"]), math.log(TRUE["r"])])
    gap = (negative_loglik(theta, held) - negative_loglik(truth, held)).item()
found = [torch.sigmoid(theta[0]).item(), theta[1].exp().item(), theta[2].exp().item()]
worst = max(abs(a / b - 1) for a, b in zip(found, TRUE.values()))
print(f"held-out gap to the true parameters {gap:.5f} nats a step; worst parameter off by {worst:.1%}")
print("RESULT " + json.dumps({"metric": "worst_relative_parameter_error", "value": round(worst, 4), "good": bool(worst < 0.12 and gap < 0.003)}))
