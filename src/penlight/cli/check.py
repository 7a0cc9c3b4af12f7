"""`penlight check`: run a script up to its first optimiser steps and examine those."""

from __future__ import annotations

from pathlib import Path

import click

from penlight.cli import ci
from penlight.cli.commandline import COMMAND, Launcher, target_of, words_of
from penlight.cli.places import written_to
from penlight.cli.watching import Report, watch

STEPS = 3


@click.command("check", cls=Launcher)
@click.option(
    "--json", "out", type=click.Path(path_type=Path), metavar="OUT",
    help="Also write the diagnosis to this file.",
)  # fmt: skip
@ci.options
@click.option("--strict", is_flag=True, help="Exit with 1 when a critical finding stands.")
@click.option(
    "--steps", type=click.IntRange(min=1), default=STEPS, show_default=True,
    help="Optimiser steps to allow.",
)  # fmt: skip
@written_to()
@click.option("--quiet", is_flag=True, help="Print nothing; the run folder and --json tell it.")
@click.pass_context
def command(
    ctx: click.Context,
    out: Path | None,
    sarif: Path | None,
    github: bool | None,
    strict: bool,
    steps: int,
    root: Path | None,
    quiet: bool,
) -> None:
    """Run a script up to its first optimiser steps and examine those.

    Finds in seconds what one batch can prove. The script is then stopped: code after the
    training does not run.
    """
    if words_of(ctx)[0] == COMMAND:
        ctx.fail("check takes a script or -m module; watch a whole command with penlight run.")
    report = Report(out, quiet, strict, needs_steps=True, ci=ci.Ci(sarif, github, quiet))
    target, args = target_of(ctx)
    folder, outcome = watch(
        target, args, report, root=root, mode="check", budget=1.0, stop_after=steps
    )
    ctx.exit(report.tell(folder, outcome))
