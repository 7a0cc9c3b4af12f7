"""What `run`, `check` and `diagnose` write for a CI service, and the options that ask for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from penlight.cli import json_out

if TYPE_CHECKING:
    from penlight.core.finding import Diagnosis
    from penlight.core.run import Run


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb `--sarif` and `--github`, handed to it as `sarif` and `github`."""
    github = click.option(
        "--github/--no-github", default=None,
        help="Write GitHub annotations on stderr.  [default: where GITHUB_ACTIONS is true]",
    )  # fmt: skip
    sarif = click.option(
        "--sarif", type=click.Path(path_type=Path), metavar="OUT",
        help="Also write the findings to this file as SARIF 2.1.0.",
    )  # fmt: skip
    return sarif(github(command))


@dataclass(slots=True)
class Ci:
    """What was asked for. Made before the script runs, which may change folder.

    Args:
        sarif: the file to write, if any.
        github: whether to write annotations; None leaves it to the environment.
        quiet: whether nothing is to be printed but what was asked for.
        here: the folder that the command was started in.
    """

    sarif: Path | None = None
    github: bool | None = None
    quiet: bool = False
    here: Path = field(default_factory=Path.cwd)

    def __post_init__(self) -> None:
        if self.sarif is not None:
            self.sarif = json_out.prepare(self.sarif)
        if self.github is None:
            self.github = not self.quiet and os.environ.get("GITHUB_ACTIONS") == "true"

    def tell(self, diagnosis: Diagnosis, run: Run, stream: TextIO) -> None:
        """Write what was asked for.

        Raises:
            PenlightError: the file cannot be written (any more).
        """
        if self.sarif is not None:
            from penlight.report.sarif import sarif

            json_out.write(self.sarif, json_out.to_text(sarif(diagnosis, run, self.here)))
        if self.github:
            from penlight.report.github import commands

            for line in commands(diagnosis, run, self.here):
                with suppress(OSError, ValueError):  # nobody reads any more
                    click.echo(line, file=stream)
