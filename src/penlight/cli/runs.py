"""`penlight runs`: list the stored runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penlight.cli import output
from penlight.cli.places import read_from

if TYPE_CHECKING:
    from penlight.store.folder import RunInfo


@click.command("runs")
@read_from("Where run folders are, also a URL such as s3://bucket/runs (needs penlight[remote]).")
@click.option(
    "--where", "condition", metavar="SQL",
    help="Only the runs for which this holds, as in \"diagnosis = 'overfitting' AND steps > 99\".",
)  # fmt: skip
@output.as_json
def command(root: Path | str | None, condition: str | None, as_json: bool) -> None:
    """List the stored runs, newest first.

    The columns for --where, which needs penlight[query]: name, path, script, started (UTC), steps,
    state (finished, crashed, running, unreadable), bytes, diagnosis (the first alarm, unlearnt,
    healthy, or nothing), findings (all alarms, as in list_contains(findings, 'dying-relu')).
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from penlight.report.told import stored_verdict
    from penlight.store.folder import default_root, list_runs

    infos = list_runs(root)
    if condition is not None:
        from penlight.report.search import where

        some, infos = bool(infos), where(infos, condition)
        if some and not infos and not as_json:
            click.echo("That holds for none of the runs.")
            return
    if as_json:
        output.echo_json([_row(x, stored_verdict(x.path)) for x in infos])
        return
    if not infos:
        click.echo(
            f"There are no runs in {root or default_root()}: make one with penlight run SCRIPT."
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("run", "started", "steps", "state", "diagnosis"):
        table.add_column(title, justify="right" if title == "steps" else "left", overflow="fold")
    for info in infos:
        started = datetime.fromtimestamp(info.started).astimezone().strftime("%Y-%m-%d %H:%M")
        row = (info.name, started, str(info.steps), info.state, stored_verdict(info.path))
        table.add_row(*map(Text, row))
    Console().print(table)


def _row(info: RunInfo, verdict: str) -> dict[str, Any]:
    return {
        "name": info.name,
        "path": info.place,
        "script": info.script,
        "started": info.started,
        "steps": info.steps,
        "state": info.state,
        "bytes": info.size,
        "diagnosis": verdict,
    }
