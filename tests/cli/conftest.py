"""Penlight as users meet it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

import penlight

SOURCE = Path(penlight.__file__).parents[1]
Result = subprocess.CompletedProcess[str]

NO_TORCH = """
import importlib.machinery
whole = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name == "torch" else whole(name, path, target)
importlib.machinery.PathFinder.find_spec = find_spec
"""


class Shell:
    """A folder to work in, and the two ways to run a script there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ours = ("PENLIGHT_", "GITHUB_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        self.env["PYTHONPATH"] = str(SOURCE)
        self.env.pop("PYTHONSAFEPATH", None)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def hide_torch(self) -> None:
        self.write("hidden/sitecustomize.py", NO_TORCH)
        self.env["PYTHONPATH"] += f"{os.pathsep}{self.folder / 'hidden'}"

    def python(self, *args: str, stdin: str = "") -> Result:
        return self._run([sys.executable, *args], stdin)

    def penlight(self, *args: str, stdin: str = "") -> Result:
        return self._run([sys.executable, "-m", "penlight", *args], stdin)

    def command(self, *args: str) -> list[str]:
        """The command line of Penlight, for tests that start it themselves."""
        return [sys.executable, "-m", "penlight", *args]

    def _run(self, command: list[str], stdin: str) -> Result:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "work"
    folder.mkdir()
    return Shell(folder)


@pytest.fixture
def alike(shell: Shell) -> Callable[..., tuple[Result, Result]]:
    """Run the same words under python and under Penlight; stdout and status must be equal."""

    def compare(*args: str, stdin: str = "") -> tuple[Result, Result]:
        plain = shell.python(*args, stdin=stdin)
        watched = shell.penlight("run", *args, stdin=stdin)
        assert watched.stdout == plain.stdout, watched.stderr
        assert watched.returncode == plain.returncode, watched.stderr
        return plain, watched

    return compare
