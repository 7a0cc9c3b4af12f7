"""How much of a training is screened: no less than the script itself needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from penlight.trial.arm import Job
from penlight.trial.arms import Arm
from penlight.trial.bench import Spent
from penlight.trial.cuts import Cuts
from penlight.trial.outcome import Source
from penlight.trial.short import Cut


class Bench(SimpleNamespace):
    """Runs a script that needs a share of its rounds to get to its end."""

    stage = "diagnosis"
    steps = 1000

    def run(self, wanted: Sequence[tuple[Mapping[str, str], int]]) -> list[Any]:
        if self.needs is None:
            raise Spent
        self.shares += [float(texts["t.py"]) for texts, _ in wanted]
        return [SimpleNamespace(failed=float(texts["t.py"]) < self.needs) for texts, _ in wanted]


def cuts(folder: Path, needs: float | None, status: int = 0) -> Cuts:
    (folder / "arm.json").write_text(json.dumps({"steps": 1000}))
    control = Arm(Job("path", "t.py", (), "", (), ""), folder, status)
    bench = Bench(needs=needs, shares=[])
    shorten = lambda scene, share: ({"t.py": str(share)}, share)  # noqa: E731  # one expression
    scene: Any = None
    return Cuts(bench, scene, control, Source("eval", 0, "mse_loss"), shorten)


@pytest.mark.parametrize(("needs", "share"), [(0.1, 0.2), (0.3, 0.4), (0.6, None)])
def test_a_cut_leaves_what_the_script_needs(
    tmp_path: Path, needs: float, share: float | None
) -> None:
    """A script that looks at its validation data in every tenth epoch, and prints that look."""
    assert cuts(tmp_path, needs).against({"lr-too-low"}) == (share and Cut(share))


def test_what_ran_to_its_end_once_is_not_asked_again(tmp_path: Path) -> None:
    made = cuts(tmp_path, 0.1)
    for share in (0.2, 0.2, 0.4):
        assert made.at(share) == Cut(share)
    assert made.bench.shares == [0.2]
    made.at(0.1)
    assert made.bench.shares == [0.2, 0.1]


def test_a_script_that_crashes_anyway_is_cut_as_it_is(tmp_path: Path) -> None:
    made = cuts(tmp_path, 0.9, status=1)
    assert made.at(0.2) == Cut(0.2)
    assert made.bench.shares == []


def test_no_time_to_find_out(tmp_path: Path) -> None:
    with pytest.raises(Spent):
        cuts(tmp_path, None).at(0.2)


def test_where_only_the_end_tells(tmp_path: Path) -> None:
    assert cuts(tmp_path, 0.1).against({"overfitting", "lr-too-low"}) is None
