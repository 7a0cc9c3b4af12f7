"""`penlight report`: a stored run as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from penlight.cli import json_out, output
from penlight.cli.places import read_from


@click.command("report")
@click.argument("name", metavar="[RUN]", required=False)
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), metavar="FILE",
    help="Where to write the page.  [default: NAME.html in the current folder]",
)  # fmt: skip
@click.option("--compare", metavar="RUN", help="Show this run beside it, on the same scales.")
@read_from()
@output.as_json
def command(
    name: str | None,
    target: Path | None,
    compare: str | None,
    root: Path | str | None,
    as_json: bool,
) -> None:
    """Write a stored run as one page of HTML that needs nothing else. Needs no torch.

    RUN is a folder, a URL of one, or part of a run's name; the newest run unless given.
    """
    from penlight.diagnosis import diagnose
    from penlight.report.html import Arm, page
    from penlight.report.html.fixes import stored
    from penlight.report.told import script_name
    from penlight.store.folder import find_run
    from penlight.store.reader import load

    folders = [find_run(name, root)]
    if compare is not None:
        folders.append(find_run(compare, root))
    stem = folders[0].stem if folders[0].is_file() else folders[0].resolve().name
    target = json_out.prepare(target or Path(f"{stem}.html"))
    runs = [load(folder) for folder in folders]
    names = [script_name(run) for run in runs]
    if len(set(names)) < len(names):  # the same script twice: the folders tell them apart
        names = [folder.resolve().name for folder in folders]
    arms = [
        Arm(run, diagnose(run), name if len(runs) > 1 else "")
        for run, name in zip(runs, names, strict=True)
    ]
    text = page(*arms, fix=stored(folders[0]), folder=str(folders[0]))
    json_out.write(target, text)
    if as_json:
        output.echo_json({"page": str(target), "bytes": len(text.encode())})
    else:
        click.echo(f"{target} ({len(text.encode()) / 1000:.0f} kB)")
