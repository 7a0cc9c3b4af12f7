"""Writing a patch into files, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from penlight.errors import PenlightError
from penlight.trial.apply import apply, undo
from penlight.trial.result import patch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_bytes(b"one\r\ntwo\r\n")
    (folder / "b.py").write_text("three")
    return folder


TEXTS = {"a.py": ("one\r\ntwo\r\n", "one\r\n2\r\n"), "b.py": ("three", "3")}


def test_there_and_back(root: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    apply(root, TEXTS, store)
    assert (root / "a.py").read_bytes() == b"one\r\n2\r\n"
    assert (root / "b.py").read_text() == "3"
    assert undo(store) == [root / "a.py", root / "b.py"]
    assert (root / "a.py").read_bytes() == b"one\r\ntwo\r\n"
    assert (root / "b.py").read_text() == "three"
    with pytest.raises(PenlightError, match="nothing to undo"):
        undo(store)


def test_two_patches_are_undone_one_by_one(root: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    apply(root, {"b.py": ("three", "3")}, store)
    apply(root, {"b.py": ("3", "III")}, store)
    undo(store)
    assert (root / "b.py").read_text() == "3"
    undo(store)
    assert (root / "b.py").read_text() == "three"


def test_a_file_that_was_edited_meanwhile_is_left_alone(root: Path, tmp_path: Path) -> None:
    (root / "b.py").write_text("mine")
    with pytest.raises(PenlightError, match="has changed"):
        apply(root, TEXTS, tmp_path / "store")
    assert (root / "a.py").read_bytes() == b"one\r\ntwo\r\n"


def test_an_edit_after_the_patch_is_not_undone_unless_forced(root: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    apply(root, TEXTS, store)
    (root / "b.py").write_text("mine")
    with pytest.raises(PenlightError, match="--force"):
        undo(store)
    assert (root / "a.py").read_bytes() == b"one\r\n2\r\n"
    assert (root / "b.py").read_text() == "mine"
    undo(store, force=True)
    assert (root / "b.py").read_text() == "three"


def test_a_link_stays_a_link(root: Path, tmp_path: Path) -> None:
    (root / "link.py").symlink_to(root / "b.py")
    apply(root, {"link.py": ("three", "3")}, tmp_path / "store")
    assert (root / "link.py").is_symlink()
    assert (root / "b.py").read_text() == "3"


def test_the_patch_is_one_that_patch_understands(root: Path) -> None:
    import subprocess

    text = patch(TEXTS)
    assert text.startswith("--- a/a.py\n+++ b/a.py\n")
    subprocess.run(["patch", "-p1", "-s", "--binary"], input=text.encode(), cwd=root, check=True)
    assert (root / "a.py").read_bytes() == b"one\r\n2\r\n"
    assert (root / "b.py").read_text() == "3"
