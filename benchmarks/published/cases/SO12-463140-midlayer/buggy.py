import sys
import json
import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

DEPTH_1 = 16
OUT_DEPTH = 1


def W_init(*shape):
    return torch.nn.Parameter(torch.randn(*shape) * 1e-3)


def b_init(*shape):
    return torch.nn.Parameter(torch.randn(*shape) * 1e-3)


W, b = W_init(1, DEPTH_1), b_init(DEPTH_1)
W1, b1 = W_init(DEPTH_1, DEPTH_1), b_init(DEPTH_1)
W2, b2 = W_init(DEPTH_1, OUT_DEPTH), b_init(OUT_DEPTH)
variables = [W, b, W1, b1, W2, b2]


def encoder(I):
    O = torch.relu(I @ W + b)
    O1 = torch.relu(O @ W1 + b1)
    O2 = O1 @ W2 + b2
    return 2.0 * O2


opt = torch.optim.SGD(variables, lr=1e-3)
grid = torch.linspace(-1, 1, 201)[:, None]

running = 0.0
for i in range(8000):
    I = torch.tensor(2.0 * np.random.rand(1, 1) - 1.0, dtype=torch.float32)
    estimate = encoder(I)
    distance = torch.sum(torch.square(I - estimate))
    opt.zero_grad()
    distance.backward()
    torch.nn.utils.clip_grad_value_(variables, 4.5)
    opt.step()
    running += distance.item()
    if (i + 1) % 500 == 0:
        print(i + 1, "distance %.5f" % (running / 500), "|W| %.4f" % W.abs().mean().item())
        running = 0.0

with torch.no_grad():
    est = encoder(grid)
for v in (-0.8, -0.3, 0.2, 0.7):
    print(v, encoder(torch.tensor([[v]])).item())
r2 = 1 - ((est - grid) ** 2).sum().item() / (grid ** 2).sum().item()
print("RESULT " + json.dumps({"metric": "R2 of the reproduced signal on [-1, 1]", "value": r2}))
