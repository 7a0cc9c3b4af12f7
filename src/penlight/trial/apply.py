"""Writes an accepted patch into the user's files, with a way back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from penlight.errors import PenlightError
from penlight.store.folder import default_root
from penlight.trial.interrupts import held

UNDO = "undo"
MANIFEST = "manifest.json"


def apply(root: Path, texts: Mapping[str, tuple[str, str]], store: Path | None = None) -> Path:
    """Put the new texts in place, after the old ones are safe.

    Args:
        root: the project's folder.
        texts: (before, after) by path relative to it.
        store: the folder of Penlight's own files; the default one unless given.

    Returns:
        The folder with the backup.

    Raises:
        PenlightError: a file is not what the patch was made for, or cannot be written. Nothing
            is changed then.
        KeyboardInterrupt: Ctrl-C, at the end. Nothing is changed then either.
    """
    for file, (before, _) in texts.items():
        if _read(root / file) != before:
            raise PenlightError(
                f"{root / file} has changed while the fix was being tried, so nothing was "
                "written: run penlight fix again.",
                1,
            )
    with held() as came:
        folder = _backup_folder(store or default_root())
        done: list[str] = []
        try:
            _back_up(folder, root, texts)
            for file, (_, after) in texts.items():
                done.append(file)
                _write(root / file, after)
        except BaseException as error:
            _take_back(root, texts, done, folder)
            if not isinstance(error, OSError):
                raise
            raise PenlightError(
                f"Cannot write {error.filename}: {error.strerror}; no file was changed.", 1
            ) from None
        if came:
            _take_back(root, texts, done, folder)
    return folder


def _back_up(folder: Path, root: Path, texts: Mapping[str, tuple[str, str]]) -> None:
    """Keep the old texts, and in the end what `undo` needs to find them."""
    entries = []
    for number, (file, (before, after)) in enumerate(texts.items()):
        _write(folder / f"{number}.txt", before)
        entries.append(
            {"path": str(root / file), "backup": f"{number}.txt", "after": _digest(after)}
        )
    _write(folder / MANIFEST, json.dumps({"schema": 1, "files": entries}, indent=2) + "\n")


def _take_back(
    root: Path, texts: Mapping[str, tuple[str, str]], done: list[str], folder: Path
) -> None:
    """Put the old texts back where new ones were written. Then there is nothing to undo."""
    for file in done:
        if _read(root / file) != texts[file][0]:
            _write(root / file, texts[file][0])
    shutil.rmtree(folder, ignore_errors=True)


def undo(store: Path | None = None, *, force: bool = False) -> list[Path]:
    """Put back the files of the last patch that was applied and not undone.

    Args:
        store: the folder of Penlight's own files; the default one unless given.
        force: also where a file was edited since.

    Returns:
        The files that were put back.

    Raises:
        PenlightError: there is nothing to undo, or a file was edited since.
    """
    base = (store or default_root()) / UNDO
    found = sorted(p.parent for p in base.glob(f"*/{MANIFEST}"))
    if not found:
        raise PenlightError(
            f"There is nothing to undo: no patch of penlight fix --apply is kept in {base}."
        )
    folder = found[-1]
    entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    if not force:
        for entry in entries:
            path = Path(entry["path"])
            old = _digest(_read(folder / entry["backup"]))  # we were killed before we came to it
            if not path.is_file() or _digest(_read(path)) not in (entry["after"], old):
                raise PenlightError(
                    f"{path} was edited after the patch, and undoing would lose that: "
                    f"penlight undo --force does it all the same (the old text is in {folder}).",
                    1,
                )
    restored = []
    for entry in entries:
        path = Path(entry["path"])
        _write(path, _read(folder / entry["backup"]))
        restored.append(path)
    # The old texts stay, but as done.
    (folder / MANIFEST).rename(folder / "undone.json")
    return restored


def _backup_folder(store: Path) -> Path:
    if not store.exists():
        store.mkdir(parents=True)
        (store / ".gitignore").write_text("*\n", encoding="ascii")
    base = store / UNDO
    base.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        folder = base / f"{stamp}-{number:03d}"
        if not folder.exists():
            folder.mkdir()
            return folder
    raise PenlightError(f"No backup can be made in {base}.", 1)


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as stream:
        return stream.read()


def _write(path: Path, text: str) -> None:
    """All of a file or nothing of it; its permissions stay."""
    part = path.with_name(f".{path.name}.penlight")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        if path.exists():
            part.chmod(path.stat().st_mode & 0o7777)
        os.replace(part, path.resolve())  # noqa: PTH105  # through a link, to the file behind it
    finally:
        part.unlink(missing_ok=True)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
