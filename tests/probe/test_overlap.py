"""Overlaps of prediction and mask in losses written by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402  # after the check that torch is there

from penlight.probe.graph import walk  # noqa: E402
from penlight.probe.overlap import overlap  # noqa: E402

Loss = Callable[[Tensor, Tensor], Tensor]


def seen(loss: Loss, channels: int = 1, squash: Callable[[Tensor], Tensor] = torch.sigmoid):
    torch.manual_seed(0)
    scores = torch.randn(4, channels, 8, 8, requires_grad=True)
    mask = (torch.rand(4, channels, 8, 8) > 0.7).float()
    graph = walk(loss(squash(scores * 1.0), mask), lambda tensor: "")
    assert graph is not None
    return overlap(graph)


def dice(p: Tensor, y: Tensor, smooth: float = 1.0, power: int = 1) -> Tensor:
    return (2 * (p * y).sum() + smooth) / ((p**power).sum() + (y**power).sum() + smooth)


def per_row(p: Tensor, y: Tensor) -> Tensor:
    both = torch.abs(y * p).sum((1, 2, 3))
    return 2.0 * both / (y.pow(2).sum((1, 2, 3)) + p.pow(2).sum((1, 2, 3)) + 1e-8)


def per_class(p: Tensor, y: Tensor) -> Tensor:
    both = (p * y).sum((0, 2, 3))
    return 2 * both / (p.sum((0, 2, 3)) + y.sum((0, 2, 3)) + 1e-6)


def flat(p: Tensor, y: Tensor) -> Tensor:
    p, y = p.reshape(-1), y.reshape(-1)
    both = (p * y).sum()
    return (both + 1e-6) / (p.sum() + y.sum() - both + 1e-6)


RIGHT: dict[str, Loss] = {
    "one minus": lambda p, y: 1 - dice(p, y),
    "minus": lambda p, y: -dice(p, y, power=2),
    "tensor minus": lambda p, y: torch.ones(4).sub(per_row(p, y)).mean(),
    "logarithm": lambda p, y: -torch.log(dice(p, y)),
    "beside another term": lambda p, y: p.sub(y).square().mean() + 0.3 * (1 - per_row(p, y)).mean(),
    "negative weight": lambda p, y: -0.5 * flat(p, y),
}
WRONG: dict[str, Loss] = {
    "dice": dice,
    "a row each": lambda p, y: per_row(p, y).mean(),
    "a class each": lambda p, y: per_class(p, y).mean(),
    "union": flat,
    "weighed": lambda p, y: p.sub(y).square().mean() + 0.3 * dice(p, y),
    "twice turned": lambda p, y: -(1 - dice(p, y)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_to_grow(name: str) -> None:
    found = seen(RIGHT[name], channels=2)
    assert found is not None
    value, sign = found
    assert sign == -1
    assert 0.1 < value < 0.9


@pytest.mark.parametrize("name", WRONG)
def test_to_shrink(name: str) -> None:
    found = seen(WRONG[name], channels=2)
    assert found is not None
    assert found[1] == 1


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, y: (p * y).sum() / y.sum(),  # the part of the mask that is found
        lambda p, y: (p * y).sum() / p.sum(),  # a weighted mean
        lambda p, y: (p * y).sum() / (p.sum() + 7.0 * y.sum()),  # another one of its kind
        lambda p, y: p.sub(y).square().mean(),
        lambda p, y: dice(p, y) * p.mean(),  # nobody knows which way it counts
        lambda p, y: dice(p, y) - dice(p, y, power=2),  # of both signs
    ],
)
def test_other_losses(loss: Loss) -> None:
    assert seen(loss) is None


def test_targets_that_are_no_mask_and_outputs_that_are_no_shares() -> None:
    assert seen(lambda p, y: dice(p, 2 * y)) is None
    assert seen(dice, squash=lambda x: x) is None
    assert seen(lambda p, y: 1 - dice(p, y), squash=lambda x: x.softmax(1), channels=3) is not None
