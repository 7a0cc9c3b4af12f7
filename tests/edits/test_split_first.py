"""split-first: rows are held out before others are made from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.edits.split_first import SplitFirst
from penlight.testing import fake_run


def edited(tmp_path: Path, script: str) -> str:
    (tmp_path / "train.py").write_text(script)
    return Scene(Project(tmp_path, "train.py"), fake_run()).after([SplitFirst()]).script.text


def test_rows_made_in_place(tmp_path: Path) -> None:
    script = """
X, y = adasyn(X, y, k=5)
a, b, c, d = train_test_split(X, y, test_size=0.3, stratify=y)
print(len(a))
"""
    assert (
        edited(tmp_path, script)
        == """
a, b, c, d = train_test_split(X, y, test_size=0.3, stratify=y)
a, c = adasyn(a, c, k=5)
print(len(a))
"""
    )


def test_rows_under_names_of_their_own(tmp_path: Path) -> None:
    script = """
def load(x, y):
    x_res, y_res = SMOTE(random_state=0).fit_resample(x, y)
    x_train, x_val, y_train, y_val = train_test_split(x_res, y_res, stratify=y_res)
    return x_train, x_val, y_train, y_val
"""
    assert (
        edited(tmp_path, script)
        == """
def load(x, y):
    x_train, x_val, y_train, y_val = train_test_split(x, y, stratify=y)
    x_train, y_train = SMOTE(random_state=0).fit_resample(x_train, y_train)
    return x_train, x_val, y_train, y_val
"""
    )


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("a, b, c, d = train_test_split(X, y)\n", "no place"),
        ("X, y = clean(X, y)\na, b, c, d = train_test_split(X, y)\n", "no place"),
        ("X, y = smote(X, y)\nX = scale(X)\na, b, c, d = train_test_split(X, y)\n", "between"),
    ],
)
def test_refused(tmp_path: Path, script: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        edited(tmp_path, script)
