"""padding-in-loss."""

from __future__ import annotations

import pytest

from penlight.core.facts import Padding
from penlight.pitfalls.padding_in_loss import PaddingInLoss
from penlight.testing import check_card, fake_run, objective


def said(**fields):
    aim = objective()
    values = {"rows": 800, "lengths": 12, "targets": 16000, "padded": 12000, "counted": True}
    fact = Padding(objective=aim.site, **{**values, **fields})
    return list(PaddingInLoss().detect(fake_run(facts=[aim, fact])))


def test_card():
    assert check_card(PaddingInLoss()) == []


def test_padding_counts():
    (found,) = said()
    assert "75% of the targets are padding, 0" in found.says
    assert found.severity == "warning"
    assert said(padded=6000)[0].severity == "note"


@pytest.mark.parametrize(
    "fields",
    [
        {"counted": False},  # ignore_index, or no weight
        {"padded": 500},
        {"inside": 40},  # the same target stands inside of rows: a class like any other
        {"lengths": 1},  # every row ends alike: the data are made so
        {"rows": 4},
    ],
)
def test_harmless(fields):
    assert not said(**fields)
