"""Bytes that wrapped around, on photographs, handwritten digits, noise and drawings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_sample_image

from penlight.pitfalls.nonfinite_or_corrupt_data import NonfiniteOrCorruptData as Pitfall
from penlight.probe.wrapping import on_grid, wrapped


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """(60, 32, 32, 3) bytes: pieces of one photograph."""
    image, draw = load_sample_image("china.jpg"), np.random.default_rng(0)
    places = zip(draw.integers(0, 395, 60), draw.integers(0, 608, 60), strict=True)
    return np.stack([image[y : y + 32, x : x + 32] for y, x in places])


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.asarray(images, dtype=np.float32))


def accused(values: dict) -> bool:
    return (
        values["closer"] < Pitfall.torn
        and values["seam"] > Pitfall.seam
        and values["edge"] < Pitfall.edge
    )


@pytest.mark.parametrize("off", [60, 100, 128])
def test_photographs_from_which_too_much_was_subtracted(photographs, off) -> None:
    torn = photographs - np.uint8(off)
    values = wrapped(tensor(torn) / 128)
    assert accused(values)
    assert values["shift"] == off
    first = tensor(torn).permute(0, 3, 1, 2)
    assert wrapped(first / 255 - 0.5) == values
    assert accused(wrapped(tensor(torn[..., 0])))
    own = wrapped((tensor(photographs) - off) / 128)
    assert not accused(own)
    assert own["closer"] == 1.0


def test_one_channel_may_go_in_a_circle(photographs) -> None:
    hue = photographs.copy()
    hue[..., 0] -= np.uint8(128)
    assert not accused(wrapped(tensor(hue)))


def test_what_is_neither_torn_nor_smooth(photographs) -> None:
    draw = np.random.default_rng(0)
    assert not accused(wrapped(tensor(draw.integers(0, 256, (60, 3, 32, 32)))))
    ink = tensor(load_digits().images[:100])[:, None]
    ink = torch.nn.functional.interpolate(ink, scale_factor=4, mode="bilinear")
    digits = wrapped((255 * torch.sigmoid(2 * (ink - 8))).round())
    assert digits["closer"] < Pitfall.torn  # black and white are neighbours among bytes
    assert digits["edge"] > 10 * Pitfall.edge
    tones = np.where(draw.random((60, 32, 32)) < 0.5, 10, 245) + draw.normal(0, 5, (60, 32, 32))
    assert wrapped(tensor(tones.clip(0, 255).round())) == {}


def test_what_is_no_picture_of_bytes(photographs) -> None:
    floats = tensor(photographs) + torch.rand(photographs.shape)
    assert wrapped(floats) == {}
    assert wrapped(tensor(photographs).flatten(1)) == {}
    assert wrapped(torch.full((60, 3, 32, 32), torch.nan)) == {}
    assert wrapped(torch.zeros(60, 3, 32, 32)) == {}
    assert on_grid(tensor(photographs) * 3) is not None
    assert on_grid(tensor(photographs) // 4) is None
