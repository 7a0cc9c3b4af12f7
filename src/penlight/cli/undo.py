"""`penlight undo`: take back what `penlight fix --apply` has written."""

from __future__ import annotations

from pathlib import Path

import click

from penlight.cli import output
from penlight.cli.places import written_to
from penlight.cli.watching import shown


@click.command("undo")
@click.option("--force", is_flag=True, help="Also where a file was edited since.")
@written_to("Where the backups are.")
@output.as_json
def command(force: bool, root: Path | None, as_json: bool) -> None:
    """Take back the last patch that penlight fix --apply has written.

    A file that was edited since is left alone, and nothing is undone.
    """
    from penlight.trial.apply import undo

    restored = undo(root.absolute() if root is not None else None, force=force)
    if as_json:
        output.echo_json({"restored": [str(path) for path in restored]})
        return
    for path in restored:
        output.echo(f"{shown(path)} is as it was.")
