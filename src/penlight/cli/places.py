"""Folders that a user names, and URLs where runs can be read."""

from __future__ import annotations

from pathlib import Path

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
