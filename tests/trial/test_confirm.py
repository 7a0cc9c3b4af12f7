"""What is tested of what a search has found, and on how much of a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from penlight.trial import confirm
from penlight.trial.arm import PAIRS, Job
from penlight.trial.arms import Arm
from penlight.trial.bench import Spent
from penlight.trial.confirm import _plans, _rule
from penlight.trial.decide import FIRST, PROVEN, Rule
from penlight.trial.outcome import Score, Source
from penlight.trial.parts import Joint, Part
from penlight.trial.short import Cut
from penlight.trial.tried import Tried

EVAL = Source("eval", 0, "mse_loss")
STEPS, PASSES = 400, 20


def arm(folder: Path, errors: list[float]) -> Arm:
    """A finished training whose evaluations have these unexplained variances."""
    folder.mkdir()
    y = np.tile([[-1.0], [1.0]], (PASSES, 1))
    x = y * (1 - np.sqrt(np.repeat(errors, 2)))[:, None]
    steps = np.linspace(STEPS / PASSES, STEPS, PASSES).astype(np.int64)
    kept = {"x": x, "y": y, "s": np.stack([steps, np.full(PASSES, 2)], 1)}
    np.savez(folder / PAIRS, **{f"{k}|0|eval|mse_loss": v for k, v in kept.items()})
    (folder / "arm.json").write_text(f'{{"steps": {STEPS}}}')
    return Arm(Job("path", "t.py", (), "", (), ""), folder, 0)


def tried(of: Arm, name: str, gain: float = 1.0) -> Tried:
    return Tried(Joint(texts={"t.py": name}), of, None, None, gain, None, ())


class Cuts:
    """Those of a training that can be cut in its first half."""

    def at(self, share: float) -> Cut | None:
        return Cut(share) if share <= 0.5 else None

    def against(self, pitfalls: list[str]) -> Cut | None:
        return Cut(0.2)

    def texts(self, made: Joint, cut: Cut | None) -> Any:
        return made.texts


class Search(SimpleNamespace):
    """As much of a search as a proof needs."""

    cuts = Cuts()

    def another(self) -> Tried | None:
        if self.other == "no time":
            raise Spent
        return self.other  # type: ignore[no-any-return]


def search(tmp_path: Path, before: list[float], after: list[float], **more: Any) -> Any:
    best = tried(arm(tmp_path / "after", after), "best")
    given = {"tried": [best], "other": None, **more}
    return Search(
        best=best, control=arm(tmp_path / "before", before),
        bench=SimpleNamespace(stage="confirmation"), **given,
    )  # fmt: skip


FLAT = [0.9] * PASSES


@pytest.mark.parametrize(
    ("after", "share"),
    [
        ([0.1] * 20, 0.2),  # at once, but earlier it is not looked at
        ([0.9] * 3 + [0.1] * 17, 0.2),
        ([0.1] * 5 + [0.9] + [0.1] * 14, 0.4),  # it must last,
        ([0.1] * 5 + [0.8] * 15, 0.2),  # if not as large
        ([0.9] * 9 + [0.1] * 11, 0.5),
        ([0.9] * 10 + [0.1] * 10, None),
        ([0.8] * 20, None),  # better, but not far enough for six pairs
    ],
)
def test_pairs_go_through_as_much_as_shows_the_effect(
    tmp_path: Path, after: list[float], share: float | None
) -> None:
    plans = [cut for _, cut in _plans(search(tmp_path, FLAT, after), EVAL)]
    assert plans == ([None] if share is None else [Cut(share), None])


def test_repairs_of_proven_faults_alone_need_less_proof(tmp_path: Path) -> None:
    known, guess = Part("p", "", (), certain=True), Part("q", "", ())
    of = arm(tmp_path / "of", FLAT)

    def rule(*parts: Part) -> Rule:
        made = Tried(Joint(parts=parts, texts={"t.py": ""}), of, None, None, 1.0, None, ())
        return _rule(made, FIRST)

    assert rule(known, known) is PROVEN
    assert rule(known, guess) is FIRST
    assert rule() is FIRST


def test_a_pair_has_some_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm, "LEAST", STEPS // 2)
    plans = list(_plans(search(tmp_path, FLAT, [0.1] * PASSES), EVAL))
    assert plans[0][1] == Cut(0.5)


def test_where_nothing_is_known_of_the_way_the_kind_of_fault_decides(tmp_path: Path) -> None:
    made = search(tmp_path, FLAT, [0.1] * PASSES)
    plans = [cut for _, cut in _plans(made, Source("printed", name="val acc"))]
    assert plans == [Cut(0.2), None]


def test_the_second_test_of_whole_runs_is_for_another_candidate(tmp_path: Path) -> None:
    late = [0.9] * (PASSES - 1) + [0.1]
    made = search(tmp_path, FLAT, late)
    made.other = tried(made.best.arm, "other")
    assert [(t.joint.texts["t.py"], cut) for t, cut in _plans(made, EVAL)] == [
        ("best", None),
        ("other", None),
    ]
    made.other = "no time"
    assert len(list(_plans(made, EVAL))) == 1
    assert made.bench.stage == "confirmation"


def test_measures_that_do_not_agree_are_said(tmp_path: Path) -> None:
    own = Score({"error": 0.2, "missing": 0.2}, 99)
    some = tried(arm(tmp_path / "a", [0.5] * PASSES), "x", gain=-0.2)
    torn = replace(some, own=own, shown_better=True)
    assert torn.torn == "fewer errors, but worse probabilities"
    assert replace(torn, gain=0.5).torn == ""
    assert replace(torn, shown_better=False).torn == ""
    assert replace(torn, own=Score({"unexplained": 0.2}, 99)).torn == ""
