"""What is kept of wide targets."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from penlight.probe.targets import COLUMNS, columns  # noqa: E402  # after the check for torch


@pytest.mark.parametrize("side", [21, 28, 32, 64, 224])
def test_columns_of_a_mask_are_spread_over_it(side: int) -> None:
    places = torch.arange(side * side).reshape(1, 1, side, side)
    kept = columns(places)[0]
    assert len(kept.unique()) == COLUMNS
    for along in (kept // side, kept % side):  # height, and width
        quarters = torch.bincount(along * 4 // side, minlength=4)
        assert quarters.min() >= COLUMNS // 8


def test_narrow_targets_are_kept_as_they_are() -> None:
    y = torch.randn(5, 4, 16)
    assert torch.equal(columns(y), y.reshape(5, 64))
    assert columns(torch.arange(3)).shape == (3, 1)
