"""How the verbs that only show something write it."""

from __future__ import annotations

import sys

import click
from rich.console import Console

from penlight.report.sheet import Sheet
from penlight.report.words import ascii_only


def sheet() -> Sheet:
    """A sheet on standard output."""
    return Sheet(Console(highlight=False))


def echo(text: str) -> None:
    """Write text as it is, in ASCII where the output knows nothing else."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    click.echo(text if encoding.lower().startswith("utf") else ascii_only(text))
