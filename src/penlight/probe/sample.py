"""Rows of the data with their targets, as the tests after the training want them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from penlight.probe.pairs import Piece, Shelf
from penlight.signals import statistics as s

FEWEST = 100  # rows of each side, fewer say nothing
CLASSES = 64
VALUES = 16  # columns of a target


@dataclass(frozen=True)
class Sample:
    """Rows as matrices on the CPU.

    Attributes:
        x: (rows, numbers) in float64.
        labels: (rows,) class indices, or None.
        values: (rows, columns) targets of a regression, or None.
        logits: (rows, classes), or None.
        step: (rows,) training steps done when each was seen.
        shape: of one row as the model saw it.
    """

    x: Tensor
    labels: Tensor | None
    values: Tensor | None
    logits: Tensor | None
    step: Tensor
    shape: tuple[int, ...]
    floating: bool

    def take(self, rows: Tensor) -> Sample:
        """These rows alone."""

        def part(t: Tensor | None) -> Tensor | None:
            return t[rows] if t is not None else None

        x, step = self.x[rows], self.step[rows]
        parts = part(self.labels), part(self.values), part(self.logits)
        return Sample(x, *parts, step, self.shape, self.floating)

    def __len__(self) -> int:
        return len(self.x)


def alike(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces of the shapes that most rows have."""
    shapes: dict[tuple[int, ...], list[Piece]] = {}
    for piece in pieces:
        key = (*piece.x.shape[1:], -1, *piece.y.shape[1:], -1, *piece.output.shape[1:])
        shapes.setdefault(key, []).append(piece)
    return max(shapes.values(), key=lambda ps: sum(len(p.x) for p in ps), default=[])


def sample(shelf: Shelf, fewest: int = FEWEST) -> Sample | None:
    """The rows of a shelf, those of the most common shape; None: too few, or not finite."""
    pieces = alike(shelf.pieces)
    if sum(len(p.x) for p in pieces) < fewest:
        return None
    x = torch.cat([s.matrix(p.x) for p in pieces])
    y = torch.cat([p.y.cpu() for p in pieces])
    output = torch.cat([p.output.to("cpu", torch.float64) for p in pieces])
    step = torch.cat([torch.full((len(p.x),), p.step) for p in pieces])
    if not bool(x.isfinite().all()) or not bool(output.isfinite().all()):
        return None
    labels, values, logits = targets(y, output)
    floating = pieces[0].x.is_floating_point()
    return Sample(x, labels, values, logits, step, tuple(pieces[0].x.shape[1:]), floating)


def targets(y: Tensor, output: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Class indices, values and logits, where targets and outputs have them."""
    flat = y.reshape(len(y), -1)
    width = flat.shape[1]
    if output.dim() == 2 and 1 < output.shape[1] <= CLASSES and width in (1, output.shape[1]):
        labels = flat[:, 0] if width == 1 else None
        if labels is not None and bool((labels == labels.round()).all()):
            if not (float(labels.min()) >= 0 and float(labels.max()) < output.shape[1]):
                return None, None, None
            return labels.long(), None, as_logits(output)
        soft = flat.double()
        if width > 1 and bool((soft >= 0).all()) and bool(((soft.sum(1) - 1).abs() < 1e-3).all()):
            hard = bool((soft.amax(1) > 1 - 1e-6).all())
            return soft.argmax(1), None, as_logits(output) if hard else None
    flat = flat.double()
    if width == 1 and bool(((flat == 0) | (flat == 1)).all()) and output.numel() == len(y):
        score = output.reshape(-1)
        if bool(((score >= 0) & (score <= 1)).all()):
            score = torch.logit(score, 1e-7)
        return flat[:, 0].long(), None, torch.stack([torch.zeros_like(score), score], 1)
    if width <= VALUES and y.is_floating_point() and bool(flat.isfinite().all()):
        return None, flat, None
    return None, None, None


def as_logits(output: Tensor) -> Tensor:
    """Logits of outputs that may be probabilities."""
    shares = bool((output >= 0).all()) and bool(((output.sum(1) - 1).abs() < 1e-4).all())
    return output.clamp_min(1e-12).log() if shares else output
