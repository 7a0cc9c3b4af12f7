"""Physics-informed network for a damped oscillator: no data but the initial conditions, Adam and then L-BFGS.

Modelled after Ben Moseley's "harmonic-oscillator-pinn" workshop and Raissi's PINNs Adam+L-BFGS recipe (own code).
"""
import json
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_default_dtype(torch.float64)      # L-BFGS needs the digits

# m u'' + mu u' + k u = 0,  u(0) = 1,  u'(0) = 0
d, w0 = 1.5, 10.0
mu, k = 2 * d, w0 ** 2


def exact(t):
    w = (w0 ** 2 - d ** 2) ** 0.5
    phi = torch.atan(torch.tensor(-d / w))
    return torch.exp(-d * t) * torch.cos(phi + w * t) / torch.cos(phi)


class FCN(nn.Module):
    def __init__(self, width=32, layers=3):
        super().__init__()
        seq = [nn.Linear(1, width), nn.Tanh()]
        for _ in range(layers - 1):
            seq += [nn.Linear(width, width), nn.Tanh()]
        self.net = nn.Sequential(*seq, nn.Linear(width, 1))

    def forward(self, t):
        return self.net(2 * t - 1)


pinn = FCN()
t_phys = torch.linspace(0, 1, 60).view(-1, 1).requires_grad_(True)
t_zero = torch.zeros(1, 1, requires_grad=True)
t_test = torch.linspace(0, 1, 300).view(-1, 1)
u_test = exact(t_test)


def pinn_loss():
    u0 = pinn(t_zero)
    du0 = torch.autograd.grad(u0, t_zero, create_graph=True)[0]
    boundary = (u0 - 1).pow(2).squeeze() + 1e-1 * du0.pow(2).squeeze() / w0
    u = pinn(t_phys)
    du = torch.autograd.grad(u.sum(), t_phys, create_graph=True)[0]
    ddu = torch.autograd.grad(du.sum(), t_phys, create_graph=True)[0]
    residual = (ddu + mu * du + k * u).pow(2).mean()
    return boundary + 1e-4 * residual


def rel_error():
    with torch.no_grad():
        return ((pinn(t_test) - u_test).norm() / u_test.norm()).item()


adam = torch.optim.Adam(pinn.parameters(), lr=3e-3)
for i in range(2500):
    adam.zero_grad()
    loss = pinn_loss()
    loss.backward()
    adam.step()
    if i % 250 == 0:
        print(f"adam {i:5d}  loss {loss.item():.3e}  rel error {rel_error():.3e}")

lbfgs = torch.optim.LBFGS(pinn.parameters(), max_iter=50, history_size=50, line_search_fn="strong_wolfe",
                          tolerance_grad=1e-9, tolerance_change=1e-12)


def closure():
    lbfgs.zero_grad()
    loss = pinn_loss()
    loss.backward()
    return loss


for i in range(6):
    loss = lbfgs.step(closure)
    print(f"lbfgs {i:4d}  loss {loss.item():.3e}  rel error {rel_error():.3e}")

error = rel_error()
print("RESULT", json.dumps({"metric": "rel_l2_error", "value": round(error, 6), "good": bool(error <= 1e-3)}))
