"""Tests on rows of data and their targets: small, closed form, repeatable, in plain torch.

All take rows as a matrix (rows, numbers) in float64 and draw no random numbers of the script's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FEATURES = 384  # of the random layer behind a probe
INPUTS = 256  # numbers of a row that enter it; of wider rows so many random sums
RIDGE = 0.03  # of the mean squared feature
BINS = 12
GROUPS = 16  # of rows with like margins
COLUMNS = 4096


def matrix(x: Tensor) -> Tensor:
    """Rows of any shape as (rows, numbers), float64 on the CPU."""
    return x.reshape(len(x), -1).to("cpu", torch.float64)


def direction(
    width: int, dtype: torch.dtype = torch.float64, device: torch.device | None = None
) -> Tensor:
    """(width,) one fixed direction on which different rows have different projections.

    The sines of whole numbers are linearly independent over the rational numbers (Lindemann and
    Weierstrass), so rows of whole numbers, too, share a projection only by rounding.
    """
    return torch.sin(torch.arange(1, width + 1, dtype=dtype, device=device))


def firsts(x: Tensor) -> Tensor:
    """(rows,) the place of the first row that equals each."""
    _, inverse = torch.unique(x @ direction(x.shape[1]), return_inverse=True)
    first = torch.full((len(x),), len(x))
    first.scatter_reduce_(0, inverse, torch.arange(len(x)), "amin")
    return first[inverse]


def distinct(x: Tensor) -> Tensor:
    """Places of the rows that no earlier row equals, ascending."""
    return firsts(x).unique()


# -- a small learner ----------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """A layer of random ReLU features with a ridge regression on top: learns what is plain to see.

    Attributes:
        mean, scale: of the rows it was fitted on, per number.
        turn: (numbers, inputs) random sums, or None.
        layer, bias: the random layer.
        weight: (features + 1, outputs).
    """

    mean: Tensor
    scale: Tensor
    turn: Tensor | None
    layer: Tensor
    bias: Tensor
    weight: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(rows, outputs) for (rows, numbers)."""
        return self._features(x) @ self.weight

    def _features(self, x: Tensor) -> Tensor:
        x = (x - self.mean) / self.scale
        x = x @ self.turn if self.turn is not None else x
        hidden = torch.relu(x @ self.layer + self.bias)
        return torch.cat([hidden, torch.ones(len(x), 1, dtype=x.dtype)], 1)

    @classmethod
    def fit(cls, x: Tensor, y: Tensor) -> Probe:
        """Fit rows (rows, numbers) to values (rows, outputs)."""
        draw = torch.Generator().manual_seed(7)
        normal = {"generator": draw, "dtype": torch.float64}
        mean, scale = x.mean(0), x.std(0)
        scale = torch.where(scale > 1e-9 * (1 + mean.abs()), scale, torch.ones_like(scale))
        scale = scale.clamp_min(0.05 * float(scale.median()))
        wide = x.shape[1]
        turn = torch.randn(wide, INPUTS, **normal) / wide**0.5 if wide > INPUTS else None
        inputs = min(wide, INPUTS)
        layer = torch.randn(inputs, FEATURES, **normal) / inputs**0.5
        bias = torch.randn(FEATURES, **normal)
        empty = cls(mean, scale, turn, layer, bias, torch.empty(0))
        h = empty._features(x)
        gram = h.T @ h
        gram.diagonal().add_(RIDGE * float(gram.diagonal().mean()))
        weight = torch.linalg.solve(gram, h.T @ y)
        return cls(mean, scale, turn, layer, bias, weight)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(rows, classes) of zeros and ones."""
    return torch.nn.functional.one_hot(labels, classes).double()


# -- two samples --------------------------------------------------------------------------


def told_apart(a: Tensor, b: Tensor) -> tuple[float, float, int]:
    """Classifier two-sample test (Lopez-Paz and Oquab 2017): can a probe tell a from b?

    Args:
        a, b: (rows, numbers), as many rows each.

    Returns:
        Accuracy on the half that it was not fitted on, its distance from one half in standard
        errors, and the rows of that half.
    """
    x = torch.cat([a[0::2], b[0::2]])
    y = torch.cat([torch.ones(len(a[0::2])), -torch.ones(len(b[0::2]))]).double()
    probe = Probe.fit(x, y[:, None])
    right = torch.cat([probe(a[1::2])[:, 0] > 0, probe(b[1::2])[:, 0] <= 0]).double()
    n = len(right)
    accuracy = float(right.mean())
    return accuracy, (accuracy - 0.5) / math.sqrt(0.25 / n), n


def nearest(a: Tensor, b: Tensor, ranks: tuple[int, ...]) -> Tensor:
    """(rows of a, len(ranks)) distances from each row of a to its k-th nearest row of b."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
    found = squares.clamp_min(0).topk(max(ranks), largest=False).values.sqrt()
    return found[:, [k - 1 for k in ranks]]


# -- calibration --------------------------------------------------------------------------


def temperature(logits: Tensor, labels: Tensor) -> tuple[float, Tensor, Tensor]:
    """The number to divide logits by, chosen on one half of the rows and tried on the other.

    Args:
        logits: (rows, classes).
        labels: (rows,).

    Returns:
        The temperature, and the losses of the other half's rows without and with it.
    """
    fit, other = slice(0, None, 2), slice(1, None, 2)
    grid = torch.logspace(-1.5, 1.7, 97, dtype=torch.float64)
    costs = torch.stack([losses(logits[fit] / t, labels[fit]).mean() for t in grid])
    t = float(grid[int(costs.argmin())])
    plain, cooled = (losses(logits[other] / s, labels[other]) for s in (1.0, t))
    return t, plain, cooled


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each row in nats."""
    return -logits.log_softmax(1).gather(1, labels[:, None])[:, 0]


def mistaken(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Share of labels that are wrong whatever the margin says, and how sure that is.

    Under overlap of classes errors die out with the margin: P(wrong) = sigmoid(-a m - b), where
    b <= 0, since where two classes tie at least every second answer is wrong. Wrong labels stay at
    every margin: P(wrong) = e + (1 - e) sigmoid(-a m - c) with any c.

    Args:
        logits: (rows, classes) scores of rows.
        labels: (rows,) the labels given to them.

    Returns:
        e, and twice the gain in log-likelihood over e = 0 (chi-square, one degree).
    """
    top = logits.topk(2, 1)
    margin, order = (top.values[:, 0] - top.values[:, 1]).sort()
    wrong = (top.indices[:, 0] != labels)[order].double()
    groups = margin.tensor_split(GROUPS)  # as many rows each
    m = torch.stack([g.mean() for g in groups]) / margin.median().clamp_min(1e-12)
    k = torch.stack([w.sum() for w in wrong.tensor_split(GROUPS)])[:, None, None, None]
    n = torch.tensor([len(g) for g in groups])[:, None, None, None]
    slopes = torch.logspace(-1.5, 1.5, 25, dtype=torch.float64)[:, None, None]
    shifts = torch.linspace(-3, 5, 33, dtype=torch.float64)[None, :, None]
    shares = torch.linspace(0, 0.5, 26, dtype=torch.float64)
    base = torch.sigmoid(-slopes * m[:, None, None, None] - shifts)
    p = (shares + (1 - shares) * base).clamp(1e-9, 1 - 1e-9)
    likelihood = (k * p.log() + (n - k) * (1 - p).log()).sum(0)
    none = float(likelihood[:, shifts[0, :, 0] <= 0, 0].max())
    each = likelihood.amax((0, 1))
    best = int(each.argmax())
    return float(shares[best]), 2 * (float(each[best]) - none)


# -- single columns -----------------------------------------------------------------------


def single_columns(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Share of the targets that each column tells on its own, on rows that it was not fitted on.

    Args:
        x: (rows, columns).
        y: (rows,) class indices, or values when classes is 0.
        classes: number of classes, or 0.

    Returns:
        (columns,): 1 - loss / entropy for classes, 1 - error / variance for values; 1 tells all.
    """
    fit, other = slice(0, None, 2), slice(1, None, 2)
    a, b = x[fit].T.contiguous(), x[other].T.contiguous()
    cuts = torch.arange(1, BINS).double() / BINS
    edges = torch.quantile(a, cuts, dim=1).T.contiguous()
    bins_a, bins_b = torch.searchsorted(edges, a), torch.searchsorted(edges, b)
    if classes:
        values = one_hot(y.long(), classes)
        prior = values[fit].mean(0).clamp_min(1e-6)
        sums = torch.stack(
            [
                torch.zeros(len(a), BINS, dtype=torch.float64).scatter_add_(
                    1, bins_a, values[fit][:, c].expand(len(a), -1)
                )
                for c in range(classes)
            ],
            2,
        )
        table = (sums + prior) / (sums.sum(2, keepdim=True) + 1)
        log = table.log()
        told = torch.stack(
            [log[:, :, c].gather(1, bins_b) for c in range(classes)], 2
        )  # columns, rows, classes
        loss = -(told * values[other]).sum(2).mean(1)
        base = -(values[other] * prior.log()).sum(1).mean()
        return 1 - loss / base.clamp_min(1e-12)
    v = y.double()
    ones = torch.ones_like(a)
    count = torch.zeros(len(a), BINS, dtype=torch.float64).scatter_add_(1, bins_a, ones)
    total = torch.zeros(len(a), BINS, dtype=torch.float64).scatter_add_(
        1, bins_a, v[fit].expand(len(a), -1)
    )
    guess = ((total + v[fit].mean()) / (count + 1)).gather(1, bins_b)
    error = (guess - v[other]).square().mean(1)
    return 1 - error / (v[other] - v[fit].mean()).square().mean().clamp_min(1e-12)
