"""`penlight fix`: find a cure of a training script, prove it, hand over the diff."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from penlight.cli import json_out
from penlight.cli.commandline import COMMAND, Launcher, target_of, words_of
from penlight.cli.places import written_to
from penlight.cli.watching import shown
from penlight.errors import PenlightError
from penlight.launch import ranks
from penlight.store.folder import new_run_folder
from penlight.store.schema import segment_name

ILL = 1


@click.command("fix", cls=Launcher)
@click.option(
    "--json", "out", type=click.Path(path_type=Path), metavar="OUT",
    help="Also write the result to this file.",
)  # fmt: skip
@click.option("--apply", "write", is_flag=True, help="Write an accepted patch into the files.")
@click.option(
    "--budget", default=20.0, show_default=True, type=click.FloatRange(min=3.0), metavar="RUNS",
    help="What the search may cost, in runs of the script as it is.",
)  # fmt: skip
@click.option(
    "--minutes", default=None, type=click.FloatRange(min=0.0, min_open=True), metavar="M",
    help="What it may take in all.  [default: no limit]",
)  # fmt: skip
@click.option(
    "--pairs", "--seeds", default=6, show_default=True, type=click.IntRange(3, 6),
    help="Most pairs of runs, each with its own seed, that a proof may take.",
)  # fmt: skip
@click.option(
    "--on", "where", default="local", show_default=True, type=click.Choice(["local", "ray"]),
    help="Where the trials run.",
)  # fmt: skip
@click.option(
    "--jobs", default=0, type=click.IntRange(min=0), metavar="N",
    help="Trials at a time.  [default: one a core]",
)  # fmt: skip
@written_to()
@click.option("--policy", default="doctor", hidden=True,
    type=click.Choice(["doctor", "random", "rate"]))  # fmt: skip
@click.option("--quiet", is_flag=True, help="Print nothing; the run folder and --json tell it.")
@click.pass_context
def command(
    ctx: click.Context,
    out: Path | None,
    write: bool,
    budget: float,
    minutes: float | None,
    pairs: int,
    where: str,
    jobs: int,
    root: Path | None,
    policy: str,
    quiet: bool,
) -> None:
    """Find a cure of a training script, prove it in paired runs, hand over the diff.

    The script runs on a copy of its folder, as it is and with changes, and no file of yours is
    written without --apply. Exit status: 0 when a cure is proven or nothing is wrong, 1 when
    something is wrong and no cure is proven, 2 for a wrong command line.
    """
    from penlight.report.fix import Progression, print_fix
    from penlight.trial.fix import Options, fix
    from penlight.trial.result import Fix

    if words_of(ctx)[0] == COMMAND:
        ctx.fail("penlight fix edits a script, so name one (or -m module), not a command.")
    if not hasattr(os, "fork"):
        raise PenlightError("penlight fix forks its trials and needs Linux, macOS or WSL.")
    if ranks.place().world > 1:
        raise PenlightError("penlight fix tries one process at a time: start it without torchrun.")
    if importlib.util.find_spec("torch") is None:
        raise PenlightError("penlight fix runs the script and needs torch: pip install torch.")
    target, args = target_of(ctx)
    target.check()
    out = json_out.prepare(out) if out is not None else None
    options = Options(budget, minutes, pairs, where, jobs, policy)
    folders: list[Path] = []

    def keep(segment: Path) -> None:
        folder = new_run_folder(root, target.label)
        shutil.copyfile(segment, folder / segment_name(0))
        folders.append(folder)

    found: Fix
    with _ending_well():
        if quiet:
            found = fix(target, args, options, keep=keep)
        else:
            progress = Progression(sys.stderr)
            try:
                found = fix(target, args, options, listener=progress, keep=keep)
            finally:
                progress.stop()
    from penlight.trial.apply import apply

    text = json_out.to_text(found.to_json())
    if out is not None:
        json_out.write(out, text)
    patch = ""
    if folders:
        json_out.write(folders[0] / "diagnosis.json", json_out.to_text(found.diagnosis))
        json_out.write(folders[0] / "fix.json", text)
        if found.patch:
            json_out.write(folders[0] / "fix.patch", found.patch)
            patch = shown(folders[0] / "fix.patch")
    backup = ""
    if write and found.accepted:
        backup = shown(apply(found.root, found.texts, root))
    if not quiet:
        from rich.console import Console

        with suppress(OSError, ValueError):  # nobody reads any more
            print_fix(found, Console(highlight=False), patch=patch, applied=backup)
    ctx.exit(0 if found.accepted or (found.healthy and not found.why) else ILL)


@contextmanager
def _ending_well() -> Iterator[None]:
    """SIGTERM and a closed terminal end us like an exception, so that no arm stays behind."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = [(s, signal.signal(s, end)) for s in (signal.SIGTERM, signal.SIGHUP)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
