"""What the pitfalls of signal propagation share."""

from __future__ import annotations

import math

import pytest

from penlight.pitfalls._layers import fold


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1.0, "1-fold"),
        (2.54, "2.5-fold"),
        (37.2, "37-fold"),
        (2812.0, "2,800-fold"),
        (3.4e12, "10^12-fold"),
        (math.inf, "endlessly"),
    ],
)
def test_a_growth_is_said_as_people_say_it(factor: float, said: str) -> None:
    assert fold(factor) == said
