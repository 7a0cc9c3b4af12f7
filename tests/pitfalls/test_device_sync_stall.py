"""device-sync-stall."""

from __future__ import annotations

import pytest

from penlight.core.facts import Reads
from penlight.pitfalls.device_sync_stall import DeviceSyncStall
from penlight.testing import check_card, fake_run


def said(**fields):
    values = {"steps": 400, "reads": 4800, "waited": 3.0, "seconds": 20.0}
    fact = Reads(**{**values, "places": ("train.py:40", "train.py:52"), **fields})
    return list(DeviceSyncStall().detect(fake_run(facts=[fact], steps=410)))


def test_card():
    assert check_card(DeviceSyncStall()) == []


def test_many_reads():
    (found,) = said()
    assert found.severity == "note"
    assert "12 numbers a step" in found.says
    assert found.source == "train.py:40"


@pytest.mark.parametrize(
    "fields",
    [
        {"reads": 400},  # one a step
        {"waited": 16.0},  # the device is busy all the time
        {"steps": 20},
    ],
)
def test_silent(fields):
    assert not said(**fields)
