"""Do masks lie the way their pictures lie?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402  # after the check that torch is there

from penlight.probe.facing import facing  # noqa: E402

ROWS, HIGH, WIDE = 240, 20, 16


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def blobs(high: int = HIGH, wide: int = WIDE) -> Tensor:
    """(rows, high, wide) one rectangle each, anywhere."""
    masks = torch.zeros(ROWS, high, wide)
    for mask in masks:
        top, left = int(torch.randint(0, high - 6, ())), int(torch.randint(0, wide - 4, ()))
        mask[top : top + 6, left : left + 4] = 1
    return masks


def pictures(masks: Tensor, of: float = 1.0) -> Tensor:
    """(rows, 1, high, wide) in which what is marked is brighter."""
    return (of * masks + 0.4 * torch.randn_like(masks))[:, None]


def flipped(masks: Tensor) -> Tensor:
    """Each row as it is or mirrored in one of three ways, by lot."""
    out = masks.clone()
    way = torch.randint(0, 4, (len(masks),))
    for k, dims in ((1, [-1]), (2, [-2]), (3, [-2, -1])):
        out[way == k] = masks[way == k].flip(dims)
    return out


def test_masks_that_lie_as_their_pictures_do() -> None:
    masks = blobs()
    seen = facing(pictures(masks), masks, torch.randn_like(masks))
    assert seen["clearly"] > 0.9 * ROWS
    assert seen["own"] > 0.98 * seen["clearly"]


@pytest.mark.parametrize(
    "form",
    [
        lambda x, y: (x, y),
        lambda x, y: (x.expand(-1, 3, -1, -1), y[:, None]),
        lambda x, y: (x.movedim(1, -1), y[..., None]),
        lambda x, y: (x[:, 0], y.bool()),
        lambda x, y: (-x, y.long() * 3),  # darker, and another class number
    ],
)
def test_masks_that_are_flipped_apart(
    form: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> None:
    masks = blobs()
    x, y = form(pictures(masks), flipped(masks))
    seen = facing(x, y, torch.randn(ROWS, *y.shape[1:]))
    assert seen["clearly"] > 0.9 * ROWS
    assert 0.15 < seen["own"] / seen["clearly"] < 0.35
    assert 0.35 < seen["fitting"] < 0.65  # an output that knows nothing


def test_turned_by_quarters_and_a_little_more() -> None:
    masks = blobs(16, 16)
    x = pictures(masks)
    y = torch.stack([m.rot90(int(torch.randint(0, 4, ()))).roll(1, 0) for m in masks])
    seen = facing(x, y, y)
    assert seen["clearly"] > 0.4 * ROWS
    assert seen["own"] < 0.5 * seen["clearly"]
    assert seen["fitting"] == 1.0  # an output that knows the targets


def test_masks_that_no_brightness_tells() -> None:
    masks = blobs()
    seen = facing(pictures(masks, of=0.0), masks, masks)
    assert seen["clearly"] < 0.12 * ROWS


def test_targets_of_another_kind() -> None:
    masks = blobs()
    x = pictures(masks)
    assert not facing(x, torch.randint(0, 3, (ROWS,)), x)
    assert not facing(x, masks[:, None].expand(-1, 4, -1, -1), x)  # a mask for each class
    assert not facing(x[:30], masks[:30], x[:30])
    assert not facing(x, torch.zeros_like(masks), x)  # nothing is marked
