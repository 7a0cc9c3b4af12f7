"""A working copy of the user's files, so that a trial cannot touch the files themselves.

Directories are made anew and small files copied. What is large, hidden or very numerous is a
symbolic link to the original; `penlight.trial.fence` turns such a link into a copy when the
script writes through it.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

COPIED = 8 << 20  # bytes: larger files are linked
TOTAL = 256 << 20  # bytes copied in all
LISTED = 2000  # entries: larger folders are linked as a whole
ENTRIES = 8000  # entries in all
SKIPPED = {"__pycache__", ".penlight", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
LINKED = {"venv", "env", "node_modules", "site-packages", "wandb", "mlruns"}


@dataclass(frozen=True)
class Trees:
    """The folders that a script lives and works in.

    Args:
        roots: absolute and disjoint; the mirror of `roots[i]` is the folder `tree<i>`.
    """

    roots: tuple[Path, ...]

    @classmethod
    def around(cls, script: Path, cwd: Path) -> Trees:
        """Those of a script (or of its folder) that is started in `cwd`."""
        folder = script.parent if script.is_file() else script
        if folder.is_relative_to(cwd):
            return cls((cwd,))
        if cwd.is_relative_to(folder):
            return cls((folder,))
        return cls((folder, cwd))

    def inside(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self.roots)

    def mapped(self, path: Path, base: Path) -> Path:
        """Where a path lies in a mirror at `base`; the path itself when it is in no tree."""
        for i, root in enumerate(self.roots):
            if path.is_relative_to(root):
                return base / f"tree{i}" / path.relative_to(root)
        return path


def mirror(trees: Trees, base: Path, first: Sequence[Path] = ()) -> None:
    """Copy the trees to `base`/tree0, tree1, ...

    Args:
        trees: what to copy.
        base: an existing folder; where it or its parent lies in a tree, it is left out.
        first: folders that are copied before the others, so that no limit keeps them out.
    """
    budget = _Budget(TOTAL, ENTRIES, frozenset((base, base.parent)))
    for i, root in enumerate(trees.roots):
        target = base / f"tree{i}"
        target.mkdir()
        wide = root == root.parent or root == Path.home()
        wanted = {folder for path in first for folder in (path, *path.parents)}
        for folder in first:
            if folder.is_relative_to(root):
                _copy(folder, target / folder.relative_to(root), budget, set(), deep=True)
        _copy(root, target, budget, wanted, deep=not wide)


@dataclass
class _Budget:
    size: int
    entries: int
    skipped: frozenset[Path]


def _copy(root: Path, target: Path, budget: _Budget, wanted: set[Path], deep: bool) -> None:
    queue = deque([(root, target)])
    while queue:
        source, place = queue.popleft()
        place.mkdir(parents=True, exist_ok=True)
        try:
            entries = sorted(os.scandir(source), key=lambda e: e.name)
        except OSError:
            continue
        budget.entries -= len(entries)
        for entry in entries:
            here, there = Path(entry.path), place / entry.name
            if entry.name in SKIPPED or here in budget.skipped:
                continue
            if entry.is_dir(follow_symlinks=False):
                below = here in wanted or (deep and _enter(entry, budget))
                if below:
                    queue.append((here, there))
                    continue
            elif there.exists() or there.is_symlink():
                continue
            elif entry.is_file(follow_symlinks=False) and _small(entry, budget):
                try:
                    shutil.copy2(here, there)
                    continue
                except OSError:
                    pass
            if not there.exists() and not there.is_symlink():
                there.symlink_to(os.path.realpath(here) if entry.is_symlink() else here)


def _enter(entry: os.DirEntry[str], budget: _Budget) -> bool:
    if entry.name.startswith(".") or entry.name in LINKED or budget.entries <= 0:
        return False
    try:
        with os.scandir(entry.path) as listed:
            return sum(1 for _ in _upto(listed, LISTED + 1)) <= LISTED
    except OSError:
        return False


def _upto(items: Iterable[os.DirEntry[str]], most: int) -> Iterable[os.DirEntry[str]]:
    for _, item in zip(range(most), items, strict=False):
        yield item


def _small(entry: os.DirEntry[str], budget: _Budget) -> bool:
    try:
        size = entry.stat().st_size
    except OSError:
        return False
    if size > COPIED or size > budget.size:
        return False
    budget.size -= size
    return True
