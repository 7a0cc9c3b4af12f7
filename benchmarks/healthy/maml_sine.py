# Model-agnostic meta-learning on sine waves, with torch.func (after the functorch example by way of Eric Jang)
import json
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)


class ThreeLayerNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(1, 40)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(40, 40)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(40, 1)

    def forward(self, x):
        x = self.relu1(self.fc1(x))
        x = self.relu2(self.fc2(x))
        return self.fc3(x)


K = 10          # shots
num_tasks = 25
alpha = 0.01    # inner rate
inner_steps = 3
iterations = 1400


def sample_tasks(outer_batch_size, inner_batch_size):
    amp = rng.uniform(0.1, 5.0, size=(outer_batch_size, 1, 1))
    phase = rng.uniform(0.0, math.pi, size=(outer_batch_size, 1, 1))

    def get_batch():
        xs = rng.uniform(-5.0, 5.0, size=(outer_batch_size, inner_batch_size, 1))
        ys = amp * np.sin(xs + phase)
        return torch.tensor(xs, dtype=torch.float), torch.tensor(ys, dtype=torch.float)

    x1, y1 = get_batch()
    x2, y2 = get_batch()
    return x1, y1, x2, y2


net = ThreeLayerNet()
params = dict(net.named_parameters())
opt = torch.optim.Adam(net.parameters(), lr=1e-3)


def inner_loss(params, x, y):
    return F.mse_loss(functional_call(net, params, (x,)), y)


def adapt(params, x, y, steps):
    for _ in range(steps):
        grads = grad(inner_loss)(params, x, y)
        params = {k: params[k] - alpha * grads[k] for k in params}
    return params


def loss_for_task(x1, y1, x2, y2):
    return inner_loss(adapt(params, x1, y1, inner_steps), x2, y2)


losses = []
for it in range(iterations):
    opt.zero_grad()
    meta_loss = vmap(loss_for_task)(*sample_tasks(num_tasks, K)).mean()
    meta_loss.backward()
    opt.step()
    losses.append(meta_loss.item())
    if it % 200 == 199:
        print(f"[Iteration {it + 1}] meta loss {np.mean(losses[-200:]):.4f}")

# %% new waves: before and after a few steps on ten points of each
x1, y1, x2, y2 = sample_tasks(600, K)
with torch.no_grad():
    before = vmap(lambda a, b: inner_loss(params, a, b))(x2, y2).mean().item()
    after = {s: vmap(lambda a, b, c, d: inner_loss(adapt(params, a, b, s), c, d))(x1, y1, x2, y2).mean().item()
             for s in (1, 3, 10)}
print(f"mse on new waves: before {before:.3f}, " + ", ".join(f"after {s} steps {v:.3f}" for s, v in after.items()))
print("RESULT", json.dumps({"metric": "mse after 10 steps", "value": round(after[10], 4),
                            "good": after[10] <= 0.8 and after[3] < before / 2}))
