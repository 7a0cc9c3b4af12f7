"""Measurements on what one call of a loss function was given: accuracy, losses, shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

CLASSES = ("cross_entropy", "nll_loss")
BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss")
VALUES = (
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "gaussian_nll_loss",
    "poisson_nll_loss",
)
OTHERS = (
    "kl_div",
    "hinge_embedding_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "ctc_loss",
)
ROWS = 4096  # rows of one call that are looked at
MANY = 1000  # distinct values counted at most
SUMS = (
    "samples",
    "targets",
    "loss",
    "right",
    "counted",
    "values",
    "error",
    "sums",
    "squares",
)


@dataclass
class Tally:
    """Counts over a window of predictions."""

    samples: int = 0
    targets: int = 0
    loss: float = 0.0
    labels: list[int] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    correct: list[int] = field(default_factory=list)
    right: int = 0
    counted: int = 0
    values: int = 0  # regression: numbers compared, their squared error, sum and squares
    error: float = 0.0
    sums: float = 0.0
    squares: float = 0.0
    output_std: float | None = None
    step: int = 0

    def add(self, other: Tally) -> None:
        """Take in another tally's predictions."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("labels", "predicted", "correct"):
            a, b = getattr(self, name), getattr(other, name)
            size = max(len(a), len(b))
            pairs = zip(a + [0] * (size - len(a)), b + [0] * (size - len(b)), strict=True)
            setattr(self, name, [m + n for m, n in pairs])
        self.output_std = self.output_std if self.output_std is not None else other.output_std


def expansion(name: str, x: Tensor, y: Tensor) -> float:
    """Elements compared over elements of the larger tensor; above 1 when both were broadcast."""
    if (
        name in CLASSES
        or name in ("ctc_loss", "multi_margin_loss")
        or not x.numel()
        or not y.numel()
    ):
        return 1.0
    try:
        together = math.prod(torch.broadcast_shapes(x.shape, y.shape))
    except RuntimeError:
        return 1.0
    return float(together / max(x.numel(), y.numel()))


def per_target(loss: Tensor, name: str, x: Tensor, y: Tensor, given: Any) -> float | None:
    """The loss for one target: sums are divided by the number of targets."""
    value: float = loss.double().mean().item()
    if loss.numel() > 1:
        return value
    if given.get("reduction", "mean") == "sum":
        classes = int(x.shape[1]) if name in CLASSES and x.dim() > 1 else 0
        count = x.numel() // classes if classes else y.numel()
        return value / max(int(count), 1)
    return value


def flat_classes(x: Tensor, y: Tensor, ignore: int | None) -> tuple[Tensor, Tensor]:
    """(rows x classes, labels) of at most ROWS targets, ignored ones left out."""
    if x.dim() == 1:
        x, y = x[None], y[None]
    rows = x.movedim(1, -1).reshape(-1, x.shape[1])
    labels = (
        y.reshape(-1)
        if not y.is_floating_point()
        else y.movedim(1, -1).reshape(-1, x.shape[1]).argmax(1)
    )
    rows, labels = rows[:ROWS], labels[:ROWS]
    if ignore is not None:
        keep = labels != ignore
        rows, labels = rows[keep], labels[keep]
    return rows, labels


def predictions(tally: Tally, name: str, x: Tensor, y: Tensor, given: Any) -> None:
    """Add one call's predictions to a tally."""
    if name in CLASSES:
        rows, labels = flat_classes(x, y, given.get("ignore_index", -100))
        guesses, classes = rows.argmax(-1), rows.shape[-1]
        if (
            rows.shape[0]
            and classes <= MANY
            and int(labels.max()) < classes
            and int(labels.min()) >= 0
        ):
            count_classes(tally, labels, guesses, classes)
        tally.samples += rows.shape[0]
    elif name in BINARY:
        border = 0.5 if name == "binary_cross_entropy" else 0.0
        if x.shape == y.shape and bool(((y == 0) | (y == 1)).all()):
            multi = x.dim() == 2 and x.shape[1] > 1 and bool((y.sum(1) == 1).all())
            if multi:
                count_classes(tally, y[:ROWS].argmax(1), x[:ROWS].argmax(1), x.shape[1])
            else:
                count_classes(
                    tally,
                    y.reshape(-1)[: 4 * ROWS].long(),
                    (x.reshape(-1)[: 4 * ROWS] > border).long(),
                    2,
                )
        tally.samples += x.shape[0] if x.dim() else 1
    elif name in VALUES:
        tally.samples += x.shape[0] if x.dim() else 1
        if x.shape == y.shape or x.numel() == y.numel():
            target = y.reshape(-1)[:65536].double()
            tally.values += target.numel()
            tally.error += float((x.reshape(-1)[:65536].double() - target).square().sum())
            tally.sums += float(target.sum())
            tally.squares += float(target.square().sum())
    if x.dim() and x.shape[0] > 1 and tally.output_std is None and x.is_floating_point():
        tally.output_std = float(x[:ROWS].double().std(0).mean())


def count_classes(tally: Tally, labels: Tensor, guesses: Tensor, classes: int) -> None:
    """Add guessed class indices, and those that were right, to a tally."""
    right = labels == guesses
    counts = [
        torch.bincount(values.reshape(-1), minlength=classes).tolist()
        for values in (labels, guesses, labels[right])
    ]
    tally.add(
        Tally(
            right=int(right.sum()),
            counted=labels.numel(),
            labels=counts[0],
            predicted=counts[1],
            correct=counts[2],
        )
    )


def explained(tally: Tally) -> float | None:
    """1 - MSE / Var(target), None unless this is a regression with varying targets."""
    n = tally.values
    if not n:
        return None
    variance = tally.squares / n - (tally.sums / n) ** 2
    return 1 - tally.error / n / variance if variance > 1e-12 else None


def sample_losses(name: str, x: Tensor, y: Tensor, given: Any) -> list[float]:
    """Each sample's own loss, in order; [] where that makes no sense."""
    if name in CLASSES and x.dim() > 1:
        if y.is_floating_point():
            if name != "cross_entropy":
                return []
            return numbers(-(y * x.log_softmax(1)).sum(1))
        rows, labels = flat_classes(x, y, given.get("ignore_index", -100))
        if not rows.shape[0] or int(labels.max()) >= rows.shape[1] or int(labels.min()) < 0:
            return []
        logs = rows.double().log_softmax(-1) if name == "cross_entropy" else rows.double()
        return numbers(-logs.gather(1, labels[:, None])[:, 0])
    if x.shape != y.shape or not x.dim():
        return []
    if name == "binary_cross_entropy_with_logits":
        each = torch.clamp(x, min=0) - x * y + torch.log1p(torch.exp(-x.abs()))
    elif name == "binary_cross_entropy":
        each = -(y * x.clamp_min(1e-12).log() + (1 - y) * (1 - x).clamp_min(1e-12).log())
    elif name == "poisson_nll_loss" and given.get("log_input", True):
        each = x.exp() - y * x
    elif name == "l1_loss":
        each = (x - y).abs()
    elif name in VALUES:
        each = (x - y).square()
    else:
        return []
    return numbers(each.reshape(each.shape[0], -1).double().mean(1))


def numbers(x: Tensor) -> list[float]:
    """The entries of a tensor, in order, as plain numbers."""
    values: list[float] = x.detach().double().reshape(-1).tolist()
    return values


def paired_t(before: list[float], now: list[float]) -> float:
    """t statistic of the per-sample differences now - before; 0 when they do not vary."""
    d = torch.tensor(now, dtype=torch.float64) - torch.tensor(before, dtype=torch.float64)
    spread = float(d.std())
    return float(d.mean()) / (spread / len(now) ** 0.5) if spread > 0 else 0.0
