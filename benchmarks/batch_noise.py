"""Does a batch far from the gradient noise scale harm a training whose rate is right?

    ./do bench batch_noise

A two-layer network on scikit-learn's digits, trained at six batch sizes, each at the best of six
learning rates (SGD), for the same number of examples. B_simple is McCandlish et al. (2018),
equation 2.9: trace of the per-sample gradient covariance over the squared mean gradient, from the
gradients of all training rows, after a tenth of the examples and at the end.
"""

from __future__ import annotations

import platform
from statistics import median

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.func import functional_call, grad, vmap

BATCHES = (1, 4, 16, 64, 256, 1024)
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = (0, 1, 2)
EPOCHS = 20


def data() -> tuple[torch.Tensor, ...]:
    """Training and test rows and labels."""
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 16
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order[:1400]], y[order[:1400]], x[order[1400:]], y[order[1400:]]


def noise_scale(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """B_simple of the whole training set, in rows."""
    named = {k: v.detach() for k, v in model.named_parameters()}

    def loss(p: dict[str, torch.Tensor], row: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(functional_call(model, p, row[None]), label[None])

    grads = vmap(grad(loss), in_dims=(None, 0, 0))(named, x, y)
    flat = torch.cat([g.flatten(1) for g in grads.values()], 1).double()
    mean = flat.mean(0)
    return float((flat - mean).square().sum(1).mean() / mean.square().sum())


def train(batch: int, rate: float, seed: int) -> tuple[float, float, float]:
    """Test accuracy, and the noise scale early and late."""
    x, y, test_x, test_y = data()
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    early = 0.0
    for epoch in range(EPOCHS):
        if epoch == EPOCHS // 10:
            early = noise_scale(model, x, y)
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        accuracy = float((model(test_x).argmax(1) == test_y).float().mean())
    return accuracy, early, noise_scale(model, x, y)


def main() -> None:
    """Print the table."""
    print(f"{platform.machine()}, torch {torch.__version__}, {EPOCHS} epochs, seeds {SEEDS}")
    print(f"{'batch':>6} {'best rate':>10} {'accuracy':>9} {'B_simple early':>15} {'late':>9}")
    torch.set_num_threads(1)
    for batch in BATCHES:
        best = max(RATES, key=lambda rate: train(batch, rate, SEEDS[0])[0])
        results = [train(batch, best, seed) for seed in SEEDS]
        accuracy, early, late = (median(column) for column in zip(*results, strict=True))
        print(f"{batch:6} {best:10g} {accuracy:9.3f} {early:15.1f} {late:9.1f}", flush=True)


if __name__ == "__main__":
    main()
