"""A training that is killed at any moment leaves a record that is readable and nearly whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

KILL = Path(__file__).parents[2] / "benchmarks" / "store" / "kill.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL"),
    pytest.mark.skipif(not KILL.exists(), reason="the benchmarks are not here"),
]
LOST = 2000.0  # milliseconds; 0.7 s are the read-out's and the writer's, the rest a busy machine's


def killed(trials: int, timeout: float) -> list[list[str]]:
    """The cells of the benchmark's table; it fails where a record does not hold what happened."""
    done = subprocess.run(
        [sys.executable, str(KILL), "--trials", str(trials)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split("|")[1:-1] for line in done.stdout.splitlines() if " ms | " in line]
    return [[cell.strip() for cell in cells] for cells in lines if cells[0].strip()[0].isdigit()]


def check(table: list[list[str]], trials: int) -> None:
    assert [int(cells[1]) for cells in table] == [trials] * 3
    for cells in table:
        assert float(cells[3]) > 0, "no steps were done before the kill"
        assert float(cells[5].split("/")[1]) < LOST


def test_a_killed_training_loses_its_last_moment_and_nothing_else() -> None:
    check(killed(4, 200), 4)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_three_hundred_kills() -> None:
    check(killed(100, 880), 100)
