"""The command line: one file per verb, imported only when it is asked for."""

from __future__ import annotations

import importlib
import keyword
import sys
import tempfile
import traceback
from typing import NoReturn, TextIO

import click

from penlight import __version__
from penlight.errors import PenlightError

# What `penlight --help` says, so that listing the verbs imports none of them.
VERBS = {
    "run": "Watch a training script, then say what is wrong and why.",
    "fix": "Find a cure, prove it in paired runs, hand over the diff.",
    "undo": "Take back what fix --apply has written.",
    "check": "Run a script up to its first optimiser steps and examine those.",
    "diagnose": "Diagnose a stored run anew; needs no torch.",
    "import": "Diagnose a history kept by TensorBoard, W&B or in a CSV file.",
    "report": "Write a stored run as one HTML page; needs no torch.",
    "live": "Show the runs of a folder in the browser, also while they train.",
    "runs": "List the stored runs.",
    "explain": "Explain one pitfall.",
    "pitfalls": "List the pitfalls that are looked for.",
    "mcp": "Serve these verbs to an agent (Model Context Protocol).",
    "demo": "Show a pitfall happening, then its cure.",
}

OWN_FAULT = 70
INTERRUPTED = 130


class Verbs(click.Group):
    """A group whose commands live in `penlight.cli.<verb>`, each as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        room = cmd_name + "_" * keyword.iskeyword(cmd_name)
        module = importlib.import_module(f"penlight.cli.{room}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0].endswith(".py"):
            ctx.fail(f"{args[0]!r} is no verb. Did you mean: penlight run {args[0]}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="penlight", message="%(prog)s %(version)s")
def penlight() -> None:
    """Watches an unmodified PyTorch training script and says why the model struggles.

    Start with: penlight run train.py
    """


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Args:
        args: the words after `penlight`; those of this process unless given.
    """
    try:
        status = penlight.main(args, prog_name="penlight", standalone_mode=False)
    except click.exceptions.Abort:
        status = INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except PenlightError as error:
        click.echo(f"penlight: {error}", err=True)
        status = error.exit_code
    except Exception:  # a fault of ours: the user gets a sentence, and we get the traceback
        apologise("the command did not finish")
        status = OWN_FAULT
    sys.exit(status if isinstance(status, int) else 0)


def apologise(consequence: str, stream: TextIO | None = None) -> None:
    """Tell of a fault of Penlight's own, being handled now, and where its traceback was saved.

    Args:
        consequence: what the fault means for the user.
        stream: where to write, stderr unless given.
    """
    with tempfile.NamedTemporaryFile(
        "w", prefix="penlight-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"penlight {__version__}, Python {sys.version}\n{sys.argv}\n\n")
        traceback.print_exc(file=file)
    click.echo(
        f"penlight: sorry, this is a fault of Penlight itself; {consequence}. "
        f"Please report it with {file.name}",
        file=stream or sys.stderr,
    )
