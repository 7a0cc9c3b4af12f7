import json
import math
import sys

import torch


class LegendrePolynomial3(torch.autograd.Function):
    """P3(x) = (5x^3 - 3x) / 2 with its own backward pass."""

    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input ** 3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        input, = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input ** 2 - 1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
dtype = torch.float

# Noisy observations of one period of a sine
x = torch.linspace(-math.pi, math.pi, 2000, dtype=dtype)
y = torch.sin(x) + 0.05 * torch.randn(2000, dtype=dtype)

# y = a + b P3(c + d x); the start must not be too far from the solution
a = torch.full((), 0.0, dtype=dtype, requires_grad=True)
b = torch.full((), -1.0, dtype=dtype, requires_grad=True)
c = torch.full((), 0.0, dtype=dtype, requires_grad=True)
d = torch.full((), 0.3, dtype=dtype, requires_grad=True)

learning_rate = 5e-6  # the loss is a sum over 2000 points
for t in range(3000):
    P3 = LegendrePolynomial3.apply
    y_pred = a + b * P3(c + d * x)

    loss = (y_pred - y).pow(2).sum()
    if t % 200 == 199:
        print(t, loss.item())

    loss.backward()

    with torch.no_grad():
        a -= learning_rate * a.grad
        b -= learning_rate * b.grad
        c -= learning_rate * c.grad
        d -= learning_rate * d.grad

        a.grad = None
        b.grad = None
        c.grad = None
        d.grad = None

print(f"Result: y = {a.item():.4f} + {b.item():.4f} * P3({c.item():.4f} + {d.item():.4f} x)")

# Check against the clean function at new places
with torch.no_grad():
    x_new = torch.empty(1000).uniform_(-math.pi, math.pi)
    fit = a + b * LegendrePolynomial3.apply(c + d * x_new)
    rmse = (fit - torch.sin(x_new)).pow(2).mean().sqrt().item()
print(f"RMSE on new points: {rmse:.4f}")
print("RESULT", json.dumps({"metric": "rmse to sin(x)", "value": round(rmse, 4), "good": rmse <= 0.08}))
