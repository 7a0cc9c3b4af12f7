"""data-stall."""

from __future__ import annotations

import pytest

from penlight.core.facts import Loading
from penlight.pitfalls.data_stall import DataStall
from penlight.testing import check_card, fake_run


def said(**fields):
    values = {"batches": 200, "waited": 18.0, "seconds": 20.0, "median": 0.09, "workers": 0}
    return list(DataStall().detect(fake_run(facts=[Loading(**{**values, **fields})], steps=210)))


def test_card():
    assert check_card(DataStall()) == []


def test_waits():
    (found,) = said()
    assert found.severity == "warning"
    assert "90% of the training time" in found.says
    assert "no workers" in found.says
    assert "2 workers" in said(workers=2)[0].says


@pytest.mark.parametrize(
    "fields",
    [
        {"waited": 4.0},
        {"median": 0.0008},  # a toy model is always faster than its data
        {"waited": 1.0, "seconds": 1.1},
        {"batches": 20},
    ],
)
def test_silent(fields):
    assert not said(**fields)
