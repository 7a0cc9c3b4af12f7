"""How the verbs that only show something write it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console

from penlight.cli import json_out
from penlight.report.sheet import Sheet
from penlight.report.words import ascii_only


def sheet() -> Sheet:
    """A sheet on standard output."""
    return Sheet(Console(highlight=False))


def as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb `--json`, handed to it as `as_json`: what it reports, for machines."""
    return click.option("--json", "as_json", is_flag=True, help="For machines.")(command)


def echo_json(value: Any) -> None:
    """Write plain values, or a diagnosis, as strict JSON."""
    click.echo(json_out.to_text(value), nl=False)


def echo(text: str) -> None:
    """Write text as it is, in ASCII where the output knows nothing else."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    click.echo(text if encoding.lower().startswith("utf") else ascii_only(text))
