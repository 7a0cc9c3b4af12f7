"""`penlight import`: diagnose a training from the history that another tool has kept."""

from __future__ import annotations

from pathlib import Path

import click

from penlight.cli import json_out, output
from penlight.cli.places import written_to


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--loss", default="", metavar="NAME", help="Which series is the training loss.")
@click.option(
    "--classes", type=click.IntRange(min=2), metavar="N",
    help="Of a classification by cross-entropy: what guessing costs is then known.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the report.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a critical finding stands.")
@written_to()
@click.pass_context
def command(
    ctx: click.Context,
    path: Path,
    loss: str,
    classes: int | None,
    as_json: bool,
    strict: bool,
    root: Path | None,
) -> None:
    """Diagnose a training from its history: as far as that goes, and what it cannot tell.

    PATH is a CSV file with a column of losses, a folder or file of TensorBoard, or an offline run
    of W&B. The history is kept as a run. Needs none of these packages, and no torch.
    """
    from rich.console import Console

    from penlight.cli.watching import shown
    from penlight.diagnosis import diagnose
    from penlight.integrations.histories import read
    from penlight.integrations.importing import keep, roles
    from penlight.report.terminal import print_diagnosis
    from penlight.store.folder import new_run_folder
    from penlight.store.reader import load

    history = read(path)
    found = roles(history, loss)
    folder = new_run_folder(root, path.resolve().name)
    keep(history, found, folder, classes)
    run = load(folder)
    diagnosis = diagnose(run)
    if diagnosis.alarms:  # without one the list of runs is not to say healthy of a few curves
        json_out.write(folder / "diagnosis.json", json_out.to_text(diagnosis))
    if as_json:
        output.echo_json(diagnosis)
    else:
        click.echo(f"Read from {history.kind}: {found.read}.", err=True)
        print_diagnosis(diagnosis, run, Console(), folder=shown(folder))
    ctx.exit(1 if strict and diagnosis.critical else 0)
