import json
import sys

import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

n = 400
slept = rng.uniform(3, 10, n)
studied = rng.uniform(0, 8, n)
electronics = rng.uniform(0, 6, n)
played = rng.uniform(0, 4, n)
marks = 50 / (1 + np.exp(-(-2.6 + 0.25 * slept + 0.55 * studied - 0.35 * electronics - 0.15 * played)))
marks = np.clip(marks + rng.normal(0, 1.5, n), 0, 50)
xs = torch.tensor(np.column_stack([slept, studied, electronics, played]), dtype=torch.float32)
ms = torch.tensor(marks, dtype=torch.float32).view(-1, 1)
x, M = xs[:300], ms[:300]
x_new, M_new = xs[300:], ms[300:]

w1 = torch.randn(4, 2, requires_grad=True)
b1 = torch.zeros(2, requires_grad=True)
w2 = torch.randn(2, 1, requires_grad=True)
b2 = torch.zeros(1, requires_grad=True)


def feed_forward(inp, w, b):
    return torch.sigmoid(inp @ w + b)


def predict(inp):
    out1 = feed_forward(inp, w1, b1)
    out2 = feed_forward(out1, w2, b2)
    return 50 * out2


train_step = torch.optim.SGD([w1, b1, w2, b2], lr=0.05)
for step in range(20000):
    J = ((predict(x) - M) ** 2).mean()
    train_step.zero_grad()
    J.backward()
    train_step.step()
    if step % 2000 == 0:
        print(step, "cost", round(J.item(), 3))

with torch.no_grad():
    guess = predict(x_new)
    print("first predictions", [round(v, 2) for v in guess[:6, 0].tolist()])
    print("real marks       ", [round(v, 2) for v in M_new[:6, 0].tolist()])
    rmse = ((guess - M_new) ** 2).mean().sqrt().item()
print("RESULT", json.dumps({"metric": "rmse_marks", "value": float(rmse)}))
