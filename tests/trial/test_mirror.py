"""The working copy: complete for the script, harmless for the user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from penlight.trial import mirror as m
from penlight.trial.fence import landlock
from penlight.trial.mirror import Trees, mirror


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "src" / "train.py").write_text("print()")
    (root / "src" / "deep" / "data.csv").write_text("1")
    (root / ".venv" / "lib").mkdir(parents=True)
    (root / "__pycache__").mkdir()
    (root / "old").mkdir()
    (root / "old" / "a").write_text("a")
    (root / "big.bin").write_bytes(b"x" * 100)
    return root


def test_which_folders_are_copied(tmp_path: Path) -> None:
    script = tmp_path / "a" / "b" / "train.py"
    script.parent.mkdir(parents=True)
    script.touch()
    inside = Trees.around(script, tmp_path / "a")
    assert inside.roots == (tmp_path / "a",)
    assert Trees.around(script, script.parent / "c").roots == (script.parent,)
    apart = Trees.around(script, tmp_path / "z")
    assert apart.roots == (script.parent, tmp_path / "z")
    assert apart.mapped(tmp_path / "z" / "x", Path("/m")) == Path("/m/tree1/x")
    assert apart.mapped(Path("/etc/x"), Path("/m")) == Path("/etc/x")


def test_small_is_copied_and_large_is_linked(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(m, "COPIED", 50)
    base = tmp_path / "copy"
    base.mkdir()
    mirror(Trees((project,)), base)
    copy = base / "tree0"
    assert (copy / "src" / "train.py").read_text() == "print()"
    assert not (copy / "src" / "train.py").is_symlink()
    assert (copy / "big.bin").is_symlink()
    assert (copy / "big.bin").read_bytes() == b"x" * 100
    assert (copy / ".venv").is_symlink()
    assert not (copy / "__pycache__").exists()


def test_the_script_comes_first_when_there_is_too_much(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(30):
        (project / f"a{i}").mkdir()
    monkeypatch.setattr(m, "ENTRIES", 10)
    base = tmp_path / "copy"
    base.mkdir()
    mirror(Trees((project,)), base, [project / "src"])
    assert not (base / "tree0" / "src" / "deep").is_symlink()
    assert (base / "tree0" / "a9").is_symlink()


FENCED = """
    import os, sys, shutil
    from pathlib import Path
    from penlight.trial.fence import Fence
    scratch, project = Path(sys.argv[1]), Path(sys.argv[2])
    fence = Fence(scratch, [project], Path(sys.argv[3]))
    fence.close()
    os.chdir(scratch / "tree0")

    def refused(call, *args, **kwargs):
        try:
            call(*args, **kwargs)
        except PermissionError as error:
            return "stays as it is" in str(error)
        return False

    assert refused(open, project / "new.txt", "w")
    assert refused(open, project / "big.bin", "ab")
    assert refused(os.remove, project / "big.bin")
    assert refused(shutil.rmtree, project / "old")
    assert refused(os.rename, "src/train.py", project / "moved.py")
    assert refused(Path(project / "made").mkdir)
    assert len(fence.refused) == 6
    open(project / "big.bin", "rb").close()
    Path("new.txt").write_text("mine")
    with open("big.bin", "ab") as file:  # the link becomes a copy
        file.write(b"y")
    assert Path("big.bin").read_bytes() == b"x" * 100 + b"y"
    Path("linked/b").write_text("mine")  # so does a linked folder
    shutil.rmtree("old")
"""


def test_the_fence(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(m, "COPIED", 50)
    (project / "linked").mkdir()
    (project / "linked" / "b").write_text("theirs")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mirror(Trees((project,)), scratch)
    copy = scratch / "tree0"
    (copy / "linked" / "b").unlink()
    (copy / "linked").rmdir()
    (copy / "linked").symlink_to(project / "linked")
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    done = subprocess.run(
        [sys.executable, "-c", dedent(FENCED), str(scratch), str(project), str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {p: p.read_bytes() for p in project.rglob("*") if p.is_file()} == before


LOCKED = """
    import os, sys
    from penlight.trial.fence import landlock
    print(landlock([sys.argv[1]]), flush=True)
    os.system(f"echo in > {sys.argv[1]}/in.txt; echo out > {sys.argv[2]}/out.txt 2>/dev/null")
"""


def test_the_kernel_holds_what_python_does_not_see(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", dedent(LOCKED), str(inside), str(outside)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if "False" in done.stdout:
        pytest.skip("this kernel has no Landlock")
    assert (inside / "in.txt").exists()
    assert not (outside / "out.txt").exists()


def test_landlock_refuses_to_pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert landlock([os.curdir]) is False
