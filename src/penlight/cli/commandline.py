"""How `run` and `check` read their command line: our options, then somebody else's words."""

from __future__ import annotations

import click

from penlight.launch.target import Target

COMMAND = "command"


class Launcher(click.Command):
    """A click command that parses options up to the script and keeps the rest untouched.

    Everything after `script.py`, `-m module` or `--` belongs to the script, also where it looks
    like an option of ours. The result is in `ctx.meta`, see `target_of`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, kind, rest = self._split(args)
        ctx.meta["penlight.kind"], ctx.meta["penlight.rest"] = kind, rest
        remaining = super().parse_args(ctx, own)
        if not rest and not ctx.resilient_parsing:
            ctx.fail("Name a script, -m module, or -- command.")
        return remaining

    def _split(self, args: list[str]) -> tuple[list[str], str, list[str]]:
        valued = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option)
            and not parameter.is_flag
            and not parameter._flag_needs_value  # `--guard`, and `--guard=skip` in one word
            for name in parameter.opts
        }
        position = 0
        while position < len(args):
            word = args[position]
            if word == "--":
                return args[:position], COMMAND, args[position + 1 :]
            if word == "-m":
                return args[:position], "module", args[position + 1 :]
            if word.startswith("-m") and not word.startswith("--"):
                return args[:position], "module", [word[2:], *args[position + 1 :]]
            if not word.startswith("-") or word == "-":
                return args[:position], "path", args[position:]
            position += 2 if word in valued else 1
        return args, "path", []

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "(SCRIPT | -m MODULE | -- COMMAND) [ARGS]..."]


def words_of(ctx: click.Context) -> tuple[str, list[str]]:
    """What kind of thing is to be run ("path", "module" or "command"), and its words."""
    return ctx.meta["penlight.kind"], ctx.meta["penlight.rest"]


def target_of(ctx: click.Context) -> tuple[Target, list[str]]:
    """The script or module to run, and its arguments."""
    kind, rest = words_of(ctx)
    return Target("module" if kind == "module" else "path", rest[0]), rest[1:]


def share(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Read `1%` or `0.01`, as an option's callback."""
    text = value.strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 < number <= 1:
        message = f"{value!r} is no share: write 1% or 0.01."
        raise click.BadParameter(message, ctx, param)
    return number
