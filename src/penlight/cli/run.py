"""`penlight run`: watch a training script, then say what is wrong and why."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from penlight.cli import ci
from penlight.cli.commandline import COMMAND, Launcher, share, target_of, words_of
from penlight.cli.places import written_to
from penlight.cli.watching import Report, shown, watch
from penlight.errors import PenlightError
from penlight.launch import ranks

if TYPE_CHECKING:
    from penlight.launch.target import Target
    from penlight.trial.using import Using


@click.command("run", cls=Launcher)
@click.option(
    "--json", "out", type=click.Path(path_type=Path), metavar="OUT",
    help="Also write the diagnosis to this file.",
)  # fmt: skip
@ci.options
@click.option("--strict", is_flag=True, help="Exit with 1 when a critical finding stands.")
@click.option(
    "--budget", default="1%", show_default=True, callback=share, metavar="SHARE",
    help="Share of the training time that watching may cost.",
)  # fmt: skip
@written_to()
@click.option("--name", default="", help="What to call this run, instead of the script's name.")
@click.option(
    "--with", "wanted", multiple=True, metavar="EDIT",
    help="Use a cure for this run alone, such as learning-rate=0.01: no file is changed. "
    "Can be given several times.",
)  # fmt: skip
@click.option(
    "--guard", is_flag=False, flag_value="stop", type=click.Choice(["skip", "stop"]),
    metavar="[=skip|stop]",
    help="Keep non-finite numbers out of the weights: end the run before they get there, or "
    "with --guard=skip drop that step and go on.",
)  # fmt: skip
@click.option(
    "--guard-memory", default="25%", show_default=True, callback=share, metavar="SHARE",
    help="Share of the free memory that the guard's copy of the last good state may take.",
)  # fmt: skip
@click.option(
    "--samples", is_flag=True,
    help="Keep a few of the rows that a finding speaks of (NaN in the data, leaked samples) in the "
    "run's folder, to show them in the report. Data are never kept otherwise.",
)  # fmt: skip
@click.option(
    "--track", is_flag=True,
    help="Also write light, update ratios and findings to the trackers that the script opens: "
    "TensorBoard, W&B, MLflow, Trackio.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="Print nothing; the run folder and --json tell it.")
@click.pass_context
def command(
    ctx: click.Context,
    out: Path | None,
    sarif: Path | None,
    github: bool | None,
    strict: bool,
    budget: float,
    root: Path | None,
    name: str,
    wanted: tuple[str, ...],
    guard: Literal["skip", "stop"] | None,
    guard_memory: float,
    samples: bool,
    track: bool,
    quiet: bool,
) -> None:
    """Watch a training script, then say what is wrong and why.

    The script runs as it would under python, with its own arguments, and its exit status is
    ours. Or name any command that leads to training, as in

        penlight run -- torchrun --nproc-per-node 2 train.py
    """
    report = Report(out, quiet, strict, ci=ci.Ci(sarif, github, quiet))
    if words_of(ctx)[0] == COMMAND:
        if wanted:
            ctx.fail("--with edits a script, so name one (or -m module), not a command.")
        if guard is not None:
            ctx.fail("--guard protects one script, so name it (or -m module), not a command.")
        if samples:
            ctx.fail("--samples looks into one script, so name it (or -m module), not a command.")
        if track:
            ctx.fail("--track follows one script, so name it (or -m module), not a command.")
        ctx.exit(_command(words_of(ctx)[1], report, root, name, budget))
    target, args = target_of(ctx)
    using = _using(target, args, wanted, root) if wanted else None
    starters = [using.start] if using is not None else []
    if guard is not None:
        from penlight.launch.guard import Guard

        if ranks.place().world > 1:
            raise PenlightError("--guard protects one process: start it without torchrun.")
        starters.append(Guard(guard, guard_memory).start)
    if samples:
        starters.append(lambda probe: probe.keep_samples())
    enders = []
    if track and ranks.place().speaks:
        from penlight.integrations.tracking import Tracking

        tracking = Tracking()
        starters.append(tracking.start)
        enders.append(tracking.finish)
    folder, outcome = watch(
        target, args, report, root=root, name=name, budget=budget,
        texts=using.texts if using is not None else None, starters=starters, enders=enders,
    )  # fmt: skip
    ctx.exit(report.tell(folder, outcome))


def _using(target: Target, args: list[str], wanted: tuple[str, ...], root: Path | None) -> Using:
    from penlight.edits import parse
    from penlight.trial.using import prepare

    return prepare(target, args, [parse(text) for text in wanted], root)


def _command(argv: list[str], report: Report, root: Path | None, name: str, budget: float) -> int:
    from penlight.launch.command import recorded, run_command
    from penlight.store.folder import new_run_folder
    from penlight.store.reader import load

    first = new_run_folder(root, name or Path(argv[0]).name).absolute()
    try:
        outcome = run_command(argv, first, budget=budget)
    except BaseException:
        if not any(first.iterdir()):
            first.rmdir()
        raise
    folders = recorded(first)
    main = max(folders, key=lambda folder: load(folder).steps) if len(folders) > 1 else first
    status = report.tell(main, outcome, command=shlex.join(argv))
    for folder in folders:
        if folder != main and not report.quiet:
            report.say(f"Another process trained, too: penlight diagnose {shown(folder)}")
    return status
