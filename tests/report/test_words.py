"""Numbers and names as the report says them."""

from __future__ import annotations

import pytest

from penlight.core.finding import Finding
from penlight.report import told
from penlight.report import words as w


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (3.0, "3"),
        (0.1, "0.1"),
        (2.30258, "2.3"),
        (2.3456, "2.35"),
        (1234.5, "1,234"),
        (2.1e-6, "2.1e-06"),
        (1_500_000.0, "1,500,000"),
        (4.2e12, "4.2e+12"),
        (-0.25, "-0.25"),
        (float("nan"), "nan"),
        (float("inf"), "infinite"),
    ],
)
def test_number(value, said):
    assert w.number(value) == said


@pytest.mark.parametrize(
    ("value", "said", "tiny"),
    [
        (0.0, "none", "0"),
        (2.5e-5, "1 in 40,000", "1/40k"),
        (4.06e-7, "1 in 2.5 million", "1/2.5M"),
        (1e-10, "1 in 10 billion", "1/10G"),
        (1e-20, "1 in 1e+20", "1e-20"),
        (0.012, "1.2%", "0.01"),
        (0.384, "38%", "0.38"),
        (0.9999, "100%", "1"),
        (1.0, "100%", "1"),
        (12.0, "12 times", "12"),
        (2_500_000.0, "2,500,000 times", "2e+06"),
        (float("nan"), "nan", "?"),
    ],
)
def test_parts(value, said, tiny):
    assert w.part(value) == said
    assert w.tiny(value) == tiny


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.01, "under 0.1 s"),
        (0.31, "0.3 s"),
        (9.96, "10 s"),
        (119, "119 s"),
        (840, "14 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_duration(seconds, said):
    assert w.duration(seconds) == said


@pytest.mark.parametrize(
    ("confidence", "exact", "said"),
    [
        (0.9, True, "proven"),
        (0.999, False, "99% sure"),
        (0.85, False, "likely, 85% sure"),
        (0.6, False, "likely, 60% sure"),
        (0.57, False, "possible, 57% sure"),
    ],
)
def test_sure(confidence, exact, said):
    assert w.sure(Finding("a", "b", confidence=confidence, exact=exact)) == said


def test_clean():
    assert w.clean("a\x1b[1;31mb\x1b]8;;http://x\x07c\r\n\td\u202e\u200be\ud800") == "abc   de"


def test_ascii():
    assert w.ascii_only("1 → 2 × é 雪") == "1 -> 2 x \\xe9 \\u96ea"


@pytest.mark.parametrize(
    ("text", "said"),
    [("the loss is nan", "The loss is nan"), ("fc1.weight grew", "fc1.weight grew"), ("", "")],
)
def test_capital(text, said):
    assert w.capital(text) == said


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (0.0, "No light at all reaches first."),
        (0.25, "Of the light at last, 25% reaches first."),
        (1.1, "All of the light at last reaches first."),
        (12.0, "From last to first the light grows 12 times."),
    ],
)
def test_light_left(left, said):
    assert told.light_left(left, "first", "last") == said
