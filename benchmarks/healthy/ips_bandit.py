"""Off-policy learning from logged recommendations: baseline-corrected
inverse propensity objective, with a value known from the simulator."""
import json
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
D, A, N = 6, 5, 40000
W = torch.randn(D, A)


def click_prob(x):
    return torch.sigmoid(1.5 * (x @ W) - 1.0)


def logged(n):
    x = torch.randn(n, D)
    behaviour = torch.softmax(0.4 * (x @ (W + torch.randn(D, A))), 1) * 0.7 + 0.3 / A
    a = torch.multinomial(behaviour, 1)
    r = torch.bernoulli(click_prob(x).gather(1, a)).squeeze(1)
    return x, a, r, behaviour.gather(1, a).squeeze(1)


policy = nn.Sequential(nn.Linear(D, 32), nn.Tanh(), nn.Linear(32, A))
x, a, r, prop = logged(N)
xv, av, rv, pv = logged(8000)
baseline = r.mean()
EPOCHS, B = 20, 250
opt = torch.optim.Adam(policy.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS * N // B)


def objective(x, a, r, prop):
    """Negative estimated gain over the logging policy's click rate."""
    pi = torch.softmax(policy(x), 1).gather(1, a).squeeze(1)
    return -(pi / prop * (r - baseline)).mean()


for epoch in range(EPOCHS):
    policy.train()
    tot = 0.0
    for idx in torch.randperm(N).split(B):
        loss = objective(x[idx], a[idx], r[idx], prop[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item() * len(idx)
    policy.eval()
    with torch.no_grad():
        print(f"epoch {epoch + 1} objective {tot / N:.4f} held-out {objective(xv, av, rv, pv):.4f}")

with torch.no_grad():
    xt = torch.randn(20000, D)
    q = click_prob(xt)
    value = q.gather(1, policy(xt).argmax(1, keepdim=True)).mean().item()
    best = q.amax(1).mean().item()
print(f"logging click rate {baseline:.4f}, learned policy {value:.4f}, optimal {best:.4f}")
share = (value - baseline.item()) / (best - baseline.item())
print("RESULT " + json.dumps({"share_of_possible_gain": round(share, 4), "good": share > 0.95}))
