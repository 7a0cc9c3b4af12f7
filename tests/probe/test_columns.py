"""Columns of what a model is given in training, and asked about without gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402  # after the check that torch is there

from penlight.core import facts as f  # noqa: E402
from penlight.core.run import Run  # noqa: E402


@pytest.fixture
def asked(ask: Callable[..., Run]) -> Callable[..., list[f.AskedColumns]]:
    """Train on standardised rows, then ask about the batches."""

    def run(*batches: Tensor, columns: int = 6) -> list[f.AskedColumns]:
        return ask(batches, columns=columns, rows=64, steps=20).all(f.AskedColumns)

    return run


def test_rows_that_no_scaler_has_touched(asked: Callable[..., list[f.AskedColumns]]) -> None:
    raw = 40 + 12 * torch.randn(200, 6)
    (seen,) = asked(raw)
    assert (seen.usual, seen.between, seen.foreign, seen.rows) == (0, 0, 1, 200)
    assert seen.columns == 6
    assert 35 < seen.mean < 45
    assert 10 < seen.std < 14
    assert seen.trained_mean < 0.15
    assert 0.85 < seen.trained_low <= seen.trained_high < 1.15
    (seen,) = asked(*raw[:100].split(1))  # one row at a time
    assert (seen.foreign, seen.rows) == (2, 100)


def test_usual_rows_are_counted_beside_them(asked: Callable[..., list[f.AskedColumns]]) -> None:
    half = torch.randn(60, 6)
    half[:, :3] = 40 + 12 * half[:, :3]
    (seen,) = asked(torch.randn(200, 6), 40 + 12 * torch.randn(200, 6), half)
    assert (seen.usual, seen.between, seen.foreign) == (1, 1, 1)


def test_nothing_foreign(asked: Callable[..., list[f.AskedColumns]]) -> None:
    noise = 0.5 * torch.randn(200, 6)  # narrower, around the same mean
    moved = 1 + torch.randn(200, 6)  # moved, as wide as before
    few = 40 + 12 * torch.randn(20, 6)
    assert asked(torch.randn(200, 6), noise, moved, few) == []
    grid = torch.cartesian_prod(torch.linspace(0, 9, 20), torch.linspace(0, 9, 20))
    assert asked(grid, columns=2) == []
