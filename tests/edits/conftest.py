"""What the tests of edits share: a script on disk, watched once, as a scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.lab import Recorded, record


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., Scene]:
    """`scene(script)` runs a script under the probe and gives the scene for its edits.

    Other files of the project go by name: `scene(script, **{"model.py": text})`.
    """

    def make(script: str, **files: str) -> Scene:
        for name, text in {"train.py": script, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        recorded = record(tmp_path / "train.py")
        assert recorded.exit_code == 0, recorded.printed
        return Scene(Project(tmp_path, "train.py"), recorded.run, ("0",))

    return make


@pytest.fixture
def rerun(tmp_path: Path) -> Callable[[Scene], Recorded]:
    """`rerun(scene)` runs the edited files of a scene in a folder of their own."""

    def run(edited: Scene) -> Recorded:
        folder = tmp_path / "edited"
        for path in tmp_path.rglob("*.py"):
            name = path.relative_to(tmp_path).as_posix()
            if not name.startswith("edited/"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(edited.project.text(name), encoding="utf-8")
        recorded = record(folder / "train.py")
        assert recorded.exit_code == 0, recorded.printed
        return recorded

    return run
