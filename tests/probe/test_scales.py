"""Sizes of what a model is given in training, and without gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from penlight.core import facts as f  # noqa: E402
from penlight.core.run import Run  # noqa: E402


@pytest.fixture
def asked(ask: Callable[..., Run]) -> Callable[..., list[f.Scales]]:
    """Train on inputs of size 1, then ask about the batches."""
    return lambda *batches: ask(batches, columns=4, rows=16, steps=12).all(f.Scales)


def test_inputs_far_off(asked: Callable[..., list[f.Scales]]) -> None:
    (seen,) = asked(torch.randn(8, 4), 255 * torch.randn(8, 4), 255 * torch.randn(8, 4))
    assert (seen.usual, seen.between, seen.far, seen.rows) == (1, 0, 2, 16)
    assert seen.batches == 12
    assert 0.7 < seen.trained_low <= seen.trained_high < 1.4
    assert 150 < seen.low <= seen.high < 400
    (seen,) = asked(0.001 * torch.randn(8, 4), 8 * torch.randn(8, 4))
    assert (seen.between, seen.far) == (1, 1)


def test_inputs_as_usual_and_constants(asked: Callable[..., list[f.Scales]]) -> None:
    assert asked(torch.randn(8, 4), torch.zeros(8, 4), torch.full((8, 4), 1e6)) == []
