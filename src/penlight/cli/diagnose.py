"""`penlight diagnose`: diagnose a stored run anew."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from penlight.cli import ci, output
from penlight.cli.places import read_from


@click.command("diagnose")
@click.argument("name", metavar="[RUN]", required=False)
@output.as_json
@ci.options
@click.option("--strict", is_flag=True, help="Exit with 1 when a critical finding stands.")
@read_from()
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    as_json: bool,
    sarif: Path | None,
    github: bool | None,
    strict: bool,
    root: Path | str | None,
) -> None:
    """Diagnose a stored run anew, also one that is still going on. Needs no torch.

    RUN is a folder, a URL of one, or part of a run's name; the newest run unless given.
    """
    from rich.console import Console

    from penlight.cli.watching import shown
    from penlight.diagnosis import diagnose
    from penlight.report.terminal import print_diagnosis
    from penlight.store.folder import find_run
    from penlight.store.reader import load

    told = ci.Ci(sarif, github)
    folder = find_run(name, root)
    run = load(folder)
    diagnosis = diagnose(run)
    if as_json:
        output.echo_json(diagnosis)
    else:
        print_diagnosis(diagnosis, run, Console(), folder=shown(folder))
    told.tell(diagnosis, run, sys.stderr)
    ctx.exit(1 if strict and diagnosis.critical else 0)
