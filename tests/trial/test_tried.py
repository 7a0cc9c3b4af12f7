"""What a shortened training does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from penlight.edits import parse
from penlight.trial.arms import Arm, Job
from penlight.trial.parts import Joint, Part
from penlight.trial.short import Cut
from penlight.trial.tried import Tried


def tried(edits: str, cut: Cut | None = Cut(0.2)) -> Tried:  # noqa: B008  # frozen
    part = Part("lr-too-high", "", tuple(parse(e) for e in edits.split()))
    arm = Arm(Job("path", "t.py", (), "", (), ""), Path(), 0)
    return Tried(Joint(texts={"t.py": edits}), arm, None, None, 1.0, cut, (part,))


@pytest.mark.parametrize(
    ("one", "other", "undecided"),
    [
        ("warmup=14", "learning-rate=0.001", True),
        ("swap-optimizer=Adam,0.01", "warmup=14", True),
        ("learning-rate=0.01", "learning-rate=0.001", False),  # one scale: the better one goes on
        ("clip-gradients=1", "learning-rate=0.001", False),
    ],
)
def test_which_size_of_steps_is_better_in_the_end(one: str, other: str, undecided: bool) -> None:
    assert tried(one).paces(tried(other)) is undecided
    assert tried(other).paces(tried(one)) is undecided
    assert not tried(one, None).paces(tried(other, None))
