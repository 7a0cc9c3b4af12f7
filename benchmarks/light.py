"""How well the theory of light (docs/light.md) predicts the gradient that reaches the first layer.

Networks at initialisation, without training: the light that the weights alone predict, beside the
light of a real cross-entropy loss. One thread, three seeds, under a minute.

    python benchmarks/light.py
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SIZES = ((10, 256), (20, 512), (40, 256))
SEEDS = range(3)
BATCH, INPUTS, CLASSES = 256, 32, 10

Moments = tuple[float, float]  # E[phi(z)^2] and E[phi'(z)^2]

# An even number of nodes: an odd one has a node in the kink of the ReLU.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def averaged(phi: Callable, slope: Callable) -> Callable[[float], Moments]:
    """Both moments for z normal with variance q, by quadrature."""

    def moments(q: float) -> Moments:
        z = math.sqrt(q) * NODES
        return float(WEIGHTS @ phi(z) ** 2), float(WEIGHTS @ slope(z) ** 2)

    return moments


def logistic(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


ACTIVATIONS: dict[str, tuple[type[nn.Module], Callable[[float], Moments]]] = {
    "sigmoid": (nn.Sigmoid, averaged(logistic, lambda z: logistic(z) * (1 - logistic(z)))),
    "tanh": (nn.Tanh, averaged(np.tanh, lambda z: 1 - np.tanh(z) ** 2)),
    "ReLU": (nn.ReLU, lambda q: (q / 2, 0.5)),
}
NETS = (
    ("sigmoid", "Xavier"),
    ("sigmoid", "default"),
    ("tanh", "Xavier"),
    ("ReLU", "He"),
    ("ReLU", "default"),
    ("residual", "default"),
)


class Block(nn.Module):
    """x + W2 relu(W1 norm(x))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.outer(F.relu(self.inner(self.norm(x))))


def network(kind: str, start: str, depth: int, width: int) -> tuple[nn.Sequential, list[nn.Module]]:
    """The network, and the modules whose outputs are the panes, the first layer first."""
    if kind == "residual":
        panes: list[nn.Module] = [nn.Linear(INPUTS, width), *(Block(width) for _ in range(depth))]
        return nn.Sequential(*panes, nn.Linear(width, CLASSES)), panes
    sizes = [INPUTS, *[width] * (depth - 1), CLASSES]
    panes = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    for layer in panes:
        if start == "Xavier":
            nn.init.xavier_uniform_(layer.weight)
        elif start == "He":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if start != "default":
            nn.init.zeros_(layer.bias)
    parts = [part for layer in panes[:-1] for part in (layer, ACTIVATIONS[kind][0]())]
    return nn.Sequential(*parts, panes[-1]), panes


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Ten Gaussian clouds."""
    centres = 2 * torch.randn(CLASSES, INPUTS)
    y = torch.randint(CLASSES, (BATCH,))
    return centres[y] + torch.randn(BATCH, INPUTS), y


def measured(net: nn.Module, panes: list[nn.Module], x: torch.Tensor, y: torch.Tensor) -> float:
    """The gradient's norm at the first pane's output, as a part of that at the last one's."""
    outputs: dict[nn.Module, torch.Tensor] = {}

    def keep(module: nn.Module, _: object, output: torch.Tensor) -> None:
        output.retain_grad()
        outputs[module] = output

    for pane in panes:
        pane.register_forward_hook(keep)
    F.cross_entropy(net(x), y).backward()
    # In float64: the square of a dim float32 gradient is zero.
    first, last = (outputs[p].grad.double().norm() for p in (panes[0], panes[-1]))
    return float(first / last)


def energy(layer: nn.Linear) -> tuple[float, float]:
    """The sum of squared weights, and the mean square of the bias."""
    weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
    return float((weight**2).sum()), float((bias**2).mean())


def predicted(kind: str, panes: list[nn.Module], x: torch.Tensor) -> float:
    """The same from the weights and the input's mean square alone."""
    square = float((x.double() ** 2).mean()) * x.shape[1]
    if kind == "residual":
        return math.sqrt(residual(panes, square / x.shape[1]))
    moments = ACTIVATIONS[kind][1]
    slopes, second = [], square / x.shape[1]
    for layer in panes[:-1]:
        weights, bias = energy(layer)
        second, slope = moments(weights / layer.out_features * second + bias)
        slopes.append(slope)
    gains = [
        slope * energy(above)[0] / above.out_features
        for slope, above in zip(slopes, panes[1:], strict=True)
    ]
    return math.sqrt(math.prod(gains))


def residual(panes: list[nn.Module], square: float) -> float:
    """The gain of energy through all blocks."""
    first, *blocks = panes
    weights, bias = energy(first)
    variance = weights / first.out_features * square + bias
    gain = 1.0
    for block in blocks:
        width = block.inner.out_features
        inner, inner_bias = energy(block.inner)
        outer, outer_bias = energy(block.outer)
        norm = (1 - 2 / width) / variance
        gain *= 1 + norm * inner / width * 0.5 * outer / width
        variance += outer / width * (inner / width + inner_bias) / 2 + outer_bias
    return gain


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    now = datetime.now(timezone.utc)
    print(
        f"{now:%Y-%m-%d %H:%M} UTC, {platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, batch {BATCH}, {len(SEEDS)} seeds\n"
    )
    print("| network | layers x width | log10 light | tint | error, mean | error, largest |")
    print("|---|---|---:|---:|---:|---:|")
    worst = 0.0
    for kind, start in NETS:
        for depth, width in SIZES:
            lights, errors = [], []
            for seed in SEEDS:
                torch.manual_seed(seed)
                net, panes = network(kind, start, depth, width)
                x, y = batch()
                guess = math.log10(predicted(kind, panes, x))
                lights.append(math.log10(measured(net, panes, x, y)))
                errors.append(guess - lights[-1])
            light = float(np.mean(lights))
            tint = 10 ** (light / (len(panes) - 1))
            largest = max(map(abs, errors))
            worst = max(worst, largest)
            name = "residual, LayerNorm" if kind == "residual" else f"{kind}, {start}"
            print(
                f"| {name} | {depth} x {width} | {light:.2f} | {tint:.3f} "
                f"| {np.mean(errors):+.2f} | {largest:.2f} |"
            )
    print(f"\nErrors in powers of ten; the largest of all is {worst:.2f}.")


if __name__ == "__main__":
    main()
