"""Rows are recognised by their values, whatever these are."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from penlight.probe.rows import fingerprints
from penlight.signals.statistics import distinct

ROWS = {
    "bits": torch.tensor(list(product((0, 1), repeat=12))),
    "one of many": torch.eye(600),
    "tokens": torch.tensor(list(product(range(7), repeat=4))),
    "counts, padded": torch.cat(
        [torch.tensor(list(product(range(12), repeat=3))), torch.zeros(12**3, 5).long()], 1
    ),
}


@pytest.mark.parametrize("kind", ROWS)
def test_different_rows_of_whole_numbers_are_different(kind: str) -> None:
    rows = ROWS[kind]
    assert len(set(fingerprints(rows))) == len(rows)
    assert len(distinct(rows.double())) == len(rows)


def test_equal_rows_are_equal_in_any_batch() -> None:
    rows = torch.randn(64, 3, 5)
    again = torch.cat([torch.randn(7, 3, 5), rows[20:]])
    assert fingerprints(again)[7:] == fingerprints(rows)[20:]
