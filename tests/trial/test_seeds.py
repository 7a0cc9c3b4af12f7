"""The pair's random numbers, each case in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

DRAW = """
import json, random, sys
from penlight.trial.seeds import shift
shift(int(sys.argv[1]))
import numpy as np, torch
{line}
print(json.dumps([random.random(), float(np.random.rand()), float(torch.rand(1)), {more}]))
"""
CASES = {
    "nothing": ("pass", "0"),
    "torch": ("torch.manual_seed(3)", "0"),
    "numpy": ("np.random.seed(3)", "0"),
    "python": ("random.seed(3)", "0"),
    "generator": ("g = torch.Generator().manual_seed(3)", "float(torch.rand(1, generator=g))"),
    "rng": ("r = np.random.default_rng(3)", "r.random()"),
    "fresh rng": ("r = np.random.default_rng()", "r.random()"),
}
SEEDED = {"torch": 2, "numpy": 1, "python": 0, "generator": 3, "rng": 3}


def draw(pair: int, line: str, more: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", DRAW.format(line=line, more=more), str(pair)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[float] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_pairs_differ_and_arms_of_a_pair_do_not() -> None:
    import numpy as np

    for case, (line, more) in CASES.items():
        first, again, other = (draw(pair, line, more) for pair in (0, 0, 1))
        assert first == again, case
        different = [a != b for a, b in zip(first, other, strict=True)]
        assert different[:3] == [True] * 3, case
        assert different[3] == (more != "0"), case
    assert draw(0, *CASES["rng"])[3] == np.random.default_rng(3).random()  # as the script says
