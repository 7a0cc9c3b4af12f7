"""`--dir`: folders that a user names, and URLs where runs can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from penlight.store.remote import is_url


def anywhere(text: str | Path) -> Path | str:
    """A folder, or a URL, which stays text."""
    return str(text) if is_url(text) else Path(text)


def on_disk(text: str | Path) -> Path:
    """A folder on this machine.

    Raises:
        click.BadParameter: it is a URL.
    """
    if is_url(text):
        raise click.BadParameter(
            f"{text} is a URL, and runs are written on this machine: name a folder, and copy "
            "finished runs to the store by its own tools."
        )
    return Path(text)


def written_to(says: str = "Where run folders go.") -> Callable[[Any], Any]:
    """`--dir` of a verb that writes; `says` is its help."""
    return _option(on_disk, says)


def read_from(says: str = "Where run folders are, also a URL.") -> Callable[[Any], Any]:
    """`--dir` of a verb that reads; `says` is its help."""
    return _option(anywhere, says)


def _option(kind: Callable[[Any], Any], says: str) -> Callable[[Any], Any]:
    says += "  [default: $PENLIGHT_DIR or .penlight]"
    return click.option("--dir", "root", type=kind, metavar="DIR", help=says)
