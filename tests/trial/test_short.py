"""Shortened trainings: which loops can be cut, and that the text keeps its lines."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from penlight.core import facts as f
from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.testing import fake_run
from penlight.trial.short import shortened

BODY = """
    optimizer.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    optimizer.step()
"""


def cut(tmp_path: Path, head: str, share: float = 0.2, body: str = BODY) -> tuple[str, float]:
    """The head of a script after it was shortened, and the true share."""
    text = dedent(head).lstrip("\n") + body.lstrip("\n")
    (tmp_path / "train.py").write_text(text)
    run = fake_run(facts=[f.Optimizer(type="SGD", lr=0.5, source="train.py:3")])
    texts, true = shortened(Scene(Project(tmp_path, "train.py"), run), share)
    after = texts["train.py"]
    assert len(after.splitlines()) == len(text.splitlines())
    return after.removesuffix(body.lstrip("\n")), true


@pytest.mark.parametrize(
    ("head", "after"),
    [
        ("for epoch in range(50):\n", "for epoch in range(10):\n"),
        ("for epoch in range(100):\n", "for epoch in range( 20):\n"),
        ("E = 50\nfor epoch in range(E):\n", "E = 10\nfor epoch in range(E):\n"),
        (
            "n = 50\nfor epoch in range(1, n + 1):\n",
            "n = 10\nfor epoch in range(1, n + 1):\n",
        ),
        ("step = 0\nwhile step < 500:\n", "step = 0\nwhile step < 100:\n"),
        ("for epoch in tqdm(range(50)):\n", "for epoch in tqdm(range(10)):\n"),
    ],
)  # fmt: skip
def test_the_number_is_changed_where_it_is_written(tmp_path: Path, head: str, after: str) -> None:
    assert cut(tmp_path, head) == (after, 0.2)


def test_a_computed_length_is_cut_in_the_loop(tmp_path: Path) -> None:
    found, share = cut(tmp_path, "for step in range(len(x) // 4):\n")
    assert found == "for step in range(max(1, round((len(x) // 4) * 0.2))):\n"
    assert share == 0.2


def test_the_true_share_is_told(tmp_path: Path) -> None:
    assert cut(tmp_path, "for epoch in range(3):\n") == ("for epoch in range(1):\n", 1 / 3)


@pytest.mark.parametrize(
    "head",
    [
        "for epoch in range(1):\n",  # nothing to leave out
        "while True:\n",
        "for epoch in range(40, 50):\n",  # ten of fifty are none of these
        "for batch in loader:\n",
    ],
)
def test_what_cannot_be_shortened(tmp_path: Path, head: str) -> None:
    with pytest.raises(Refused):
        cut(tmp_path, head)
