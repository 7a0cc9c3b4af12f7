"""Writes a diagnosis, or whatever a verb reports, where machines read it."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from penlight.core.finding import Diagnosis
from penlight.errors import PenlightError


def to_text(value: Any) -> str:
    """A diagnosis, or plain values, as strict JSON: what is not finite becomes null."""
    plain = value.to_json() if isinstance(value, Diagnosis) else value
    return json.dumps(strict(plain), indent=2, allow_nan=False) + "\n"


def prepare(path: Path) -> Path:
    """Make sure that `write` can succeed later; the absolute path, as scripts change folders.

    Raises:
        PenlightError: nothing can be written there.
    """
    path = path.absolute()
    if path.is_dir():
        raise PenlightError(f"Cannot write {path}: it is a directory.")
    if not path.parent.is_dir():
        raise PenlightError(f"Cannot write {path}: its folder does not exist.")
    try:
        if _plain(path):
            with tempfile.NamedTemporaryFile(dir=path.parent):
                pass
    except OSError as error:
        raise PenlightError(f"Cannot write {path}: {error.strerror}.") from None
    return path


def write(path: Path, text: str) -> None:
    """Write a file so that a reader sees either all of it or what was there before.

    Raises:
        PenlightError: it cannot be written (any more).
    """
    try:
        if _plain(path):
            _replace(path, text)
        else:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PenlightError(f"Cannot write {path}: {error.strerror}.") from None


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.chmod(0o666 & ~_umask())  # mkstemp's file is for us alone
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _plain(path: Path) -> bool:
    """Whether a file can be put there by renaming: not so for /dev/stdout or a pipe."""
    return path.is_file() or not path.exists()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def strict(value: Any) -> Any:
    """Plain JSON values: what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(v) for v in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    # A number of numpy's that is neither float nor int in Python's eyes.
    return strict(value.item()) if hasattr(value, "item") else str(value)
