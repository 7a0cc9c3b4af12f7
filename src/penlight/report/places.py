"""Where a finding points: a file that an editor or a code host can open, and the line in it.

A run names a file without its folder. It is looked for beside the script, then below the folder
that the script was started from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from penlight.core.finding import Finding
from penlight.core.run import Run
from penlight.report import told

MOST = 20_000  # names looked at in search of a file: a data set may lie beside the sources
SKIPPED = frozenset({"site-packages", "node_modules", "__pycache__", "venv"})


@dataclass(frozen=True, slots=True)
class Place:
    """A file, with slashes and relative to the repository's folder where it lies in it.

    `line` counts from 1; None when only the file is known.
    """

    file: str
    line: int | None = None


def place(finding: Finding, run: Run, here: Path) -> Place | None:
    """Where to look; the script when nothing better is known, None for a run without one.

    Args:
        finding: what points.
        run: the run it was found in.
        here: the folder that the script was started from.
    """
    script = _script(run.header.script, here)
    name, _, number = told.source(finding, run).rpartition(":")
    if name and number.isdigit():
        file = _find(name, script, here)
        if file is not None:
            return Place(_shown(file, here), int(number))
    return Place(_shown(script, here)) if script is not None else None


def _script(words: str, here: Path) -> Path | None:
    """The file of what was run: a path, `-m package.module`, or a command that names one."""
    if words.startswith("-m "):
        stem = Path(*words[3:].split("."))
        names = [stem.with_suffix(".py"), stem / "__main__.py"]
    else:
        names = [Path(x) for x in (words, *words.split()) if x.endswith(".py")]
    with suppress(OSError):  # a name too long for a file
        return next((file for name in names if (file := here / name).is_file()), None)
    return None


def _find(name: str, script: Path | None, here: Path) -> Path | None:
    if script is not None:
        if script.name == name:
            return script
        if (beside := script.with_name(name)).is_file():
            return beside
    found = [x for x in islice(_below(here), MOST) if x.name == name]
    return found[0] if len(found) == 1 else None  # of several no one knows which


def _below(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(x for x in folders if x[0] != "." and x not in SKIPPED)
        yield from (Path(here, x) for x in files)


def _shown(path: Path, here: Path) -> str:
    root = next((x for x in (here, *here.parents) if (x / ".git").exists()), here)
    with suppress(ValueError):
        return Path(os.path.normpath(path)).relative_to(root).as_posix()
    return path.as_posix()
