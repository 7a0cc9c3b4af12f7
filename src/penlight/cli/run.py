"""`penlight run`: watch a training script, then say what is wrong and why."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from penlight.cli.commandline import COMMAND, Launcher, share, target_of, words_of
from penlight.cli.watching import Report, shown, watch


@click.command("run", cls=Launcher)
@click.option(
    "--json", "out", type=click.Path(path_type=Path), metavar="OUT",
    help="Also write the diagnosis to this file.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit with 1 when a critical finding stands.")
@click.option(
    "--budget", default="1%", show_default=True, callback=share, metavar="SHARE",
    help="Share of the training time that watching may cost.",
)  # fmt: skip
@click.option(
    "--dir", "root", type=click.Path(path_type=Path), metavar="DIR",
    help="Where run folders go.  [default: $PENLIGHT_DIR or .penlight]",
)  # fmt: skip
@click.option("--name", default="", help="What to call this run, instead of the script's name.")
@click.option("--quiet", is_flag=True, help="Print nothing; the run folder and --json tell it.")
@click.pass_context
def command(
    ctx: click.Context,
    out: Path | None,
    strict: bool,
    budget: float,
    root: Path | None,
    name: str,
    quiet: bool,
) -> None:
    """Watch a training script, then say what is wrong and why.

    The script runs as it would under python, with its own arguments, and its exit status is
    ours. Or name any command that leads to training, as in

        penlight run -- torchrun --nproc-per-node 2 train.py
    """
    report = Report(out, quiet, strict)
    if words_of(ctx)[0] == COMMAND:
        ctx.exit(_command(words_of(ctx)[1], report, root, name, budget))
    target, args = target_of(ctx)
    folder, outcome = watch(target, args, report, root=root, name=name, budget=budget)
    ctx.exit(report.tell(folder, outcome))


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
