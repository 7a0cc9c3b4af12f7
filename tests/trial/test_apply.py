"""Writing a patch into files, and the way back."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from penlight.errors import PenlightError
from penlight.trial import apply as module
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


WRITES = ["0.txt", "1.txt", "manifest.json", "a.py", "b.py"]  # in this order


@pytest.mark.parametrize("when", ["before", "during", "after"])
@pytest.mark.parametrize("name", WRITES)
def test_interrupted_while_it_writes_nothing_is_changed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    """Ctrl-C before, between or after the replacing of any of the files."""
    written, replace = [], module.os.replace

    def interrupted(part: Any, target: Any) -> None:
        here = not written[5:] and Path(target).name == name
        written.append(Path(target).name)
        for moment in ("before", "during", "after"):
            if moment == "during":
                replace(part, target)
            if here and moment == when:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(module.os, "replace", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        apply(root, TEXTS, tmp_path / "store")
    assert written[:5] == WRITES
    assert signal.getsignal(signal.SIGINT) is before
    assert {p.name: p.read_bytes() for p in root.iterdir()} == {
        "a.py": b"one\r\ntwo\r\n", "b.py": b"three",
    }  # fmt: skip
    with pytest.raises(PenlightError, match="nothing to undo"):
        undo(tmp_path / "store")


def test_a_file_that_cannot_be_written_leaves_the_others_alone(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = module.os.replace

    def refused(part: Any, target: Any) -> None:
        if Path(target).name == "b.py":
            raise PermissionError(13, "Permission denied", str(target))
        replace(part, target)

    monkeypatch.setattr(module.os, "replace", refused)
    with pytest.raises(PenlightError, match="no file was changed"):
        apply(root, TEXTS, tmp_path / "store")
    assert (root / "a.py").read_bytes() == b"one\r\ntwo\r\n"
    assert (root / "b.py").read_text() == "three"
    with pytest.raises(PenlightError, match="nothing to undo"):
        undo(tmp_path / "store")


def test_killed_between_two_files_it_can_be_undone(root: Path, tmp_path: Path) -> None:
    apply(root, TEXTS, tmp_path / "store")
    (root / "b.py").write_text("three")  # as if the second one had not been reached
    undo(tmp_path / "store")
    assert (root / "a.py").read_bytes() == b"one\r\ntwo\r\n"


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
