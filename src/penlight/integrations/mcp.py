"""Penlight for agents: a server that speaks the Model Context Protocol over stdin and stdout.

Every tool is a verb of the command line in a process of its own: what a script prints cannot get
between the messages, and a crash of it ends nothing but itself.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Annotated, Any, TypedDict

import anyio
from anyio.abc import Process
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from penlight import __version__

INSTRUCTIONS = """\
Penlight says why a PyTorch training struggles, with evidence, and finds a fix that it has proven.
Begin with `run` on the unmodified training script, or `check` when the training is long. Then read
`findings`: an empty list means that nothing is wrong, and then nothing should be changed. `fix`
tries changes on a copy and returns a diff; it writes into files only with apply=true.
"""
BEAT = 5.0  # seconds between two signs of life, for clients that give up on a silent tool
PRINTED = 4000  # last characters of what a script printed that are handed on
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
RUNS = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)

Script = Annotated[str, Field(description="Path of the script, or `-m package.module`.")]
Words = Annotated[Sequence[str], Field(description="The script's own command-line arguments.")]
Folder = Annotated[str, Field(description="Folder to run in; '' means the server's own.")]
Minutes = Annotated[
    float, Field(description="Stop after so many minutes and report what was seen.", gt=0)
]

server = MCPServer("penlight", version=__version__, instructions=INSTRUCTIONS, log_level="ERROR")


class Diagnosed(TypedDict):
    """What a training shows."""

    summary: Annotated[str, Field(description="The causes, one line each.")]
    next_step: Annotated[str, Field(description="What helps most now.")]
    diagnosis: Annotated[
        dict[str, Any], Field(description="Findings by rank, with evidence and prescriptions.")
    ]
    printed: Annotated[str, Field(description="The end of what the script printed.")]


class Fixed(TypedDict):
    """What a search for a cure has found."""

    accepted: Annotated[bool, Field(description="Whether a cure is proven.")]
    patch: Annotated[str, Field(description="The cure as a unified diff for `patch -p1`, or ''.")]
    applied: Annotated[bool, Field(description="Whether it was written into the files.")]
    summary: Annotated[str, Field(description="What was wrong, and what the cure brings.")]
    next_step: Annotated[str, Field(description="What helps most now.")]
    fix: Annotated[dict[str, Any], Field(description="Diagnosis, trials, instructions, cost.")]


class Listed(TypedDict):
    """Pitfalls with their names and titles."""

    pitfalls: list[dict[str, str]]


class Card(TypedDict):
    """All that the catalogue knows of one pitfall."""

    card: dict[str, Any]


@server.tool(annotations=RUNS)
async def run(
    ctx: Context, script: Script, args: Words = (), folder: Folder = "", minutes: Minutes = 60.0
) -> Diagnosed:
    """Train: run an unmodified PyTorch script under Penlight's eyes and say what is wrong and why.

    Takes as long as the training does. Results and random numbers of the script are not changed.
    """
    verb = ["run", "--quiet", "--no-github"]
    return await _watched(ctx, verb, script, args, folder, minutes)


@server.tool(annotations=RUNS)
async def check(
    ctx: Context, script: Script, args: Words = (), folder: Folder = "", minutes: Minutes = 10.0
) -> Diagnosed:
    """Run a script up to its first optimiser steps, stop it, and say what one batch can prove.

    Takes seconds. Faults that need time to show, such as a bad learning rate, need `run`.
    """
    verb = ["check", "--quiet", "--no-github"]
    return await _watched(ctx, verb, script, args, folder, minutes)


@server.tool(annotations=READS)
async def diagnose(
    run: Annotated[str, Field(description="Folder or part of the name; '' is the newest.")] = "",
    folder: Folder = "",
) -> Diagnosed:
    """Diagnose a stored run anew, also one that still trains. Runs nothing."""
    words = ["diagnose", "--json", "--no-github", *([run] if run else [])]
    return _diagnosed(await _answer(words, folder), "")


@server.tool(annotations=READS)
async def explain(
    pitfall: Annotated[str, Field(description="Its name, as `findings` or `pitfalls` has it.")],
) -> Card:
    """Explain one pitfall: what happens, symptoms, causes, when not to worry, what to change."""
    return {"card": await _answer(["explain", "--json", pitfall])}


@server.tool(annotations=READS)
async def pitfalls(
    family: Annotated[str, Field(description="Only this family.")] = "",
    symptom: Annotated[str, Field(description="Only what shows like this, nearest first.")] = "",
) -> Listed:
    """List what Penlight looks for, all of it, one family, or what fits a symptom in words."""
    if symptom:
        return {"pitfalls": await _answer(["explain", "--json", "--symptom", symptom])}
    return {
        "pitfalls": await _answer(["pitfalls", "--json", *(["--family", family] if family else [])])
    }


@server.tool(annotations=WRITES)
async def fix(
    ctx: Context,
    script: Script,
    args: Words = (),
    folder: Folder = "",
    apply: Annotated[bool, Field(description="Write an accepted patch into the files.")] = False,
    budget: Annotated[float, Field(description="Cost limit, in runs of the script.", ge=3)] = 20.0,
    minutes: Annotated[float, Field(description="Time limit of the search.", gt=0)] = 60.0,
) -> Fixed:
    """Find a change that cures a training script, prove it in paired runs, return it as a diff.

    Tries everything on a copy. Without apply=true no file is written; `penlight undo` takes an
    applied patch back. Costs about 10 to 20 runs of the script.
    """
    words = ["fix", "--quiet", "--budget", str(budget), "--minutes", str(minutes)]
    found, _ = await _recorded(ctx, [*words, *(["--apply"] if apply else [])], script, args, folder)
    summary = _summary(found["diagnosis"])
    if found["accepted"]:
        best = found["trials"][0]
        summary += (
            f"\nProven: {best['prescription']}. {best['outcome']}: {best['before']} -> "
            f"{best['after']} in {best['pairs']} pairs of runs."
        )
        step = "Train with it." if apply else "Review the patch and apply it with patch -p1."
    elif not _causes(found["diagnosis"]):
        step = "Nothing to do."
    elif found["instructions"]:
        step = found["instructions"][0]["instruction"]
    else:
        step = "No cure is proven: read the prescriptions in fix.diagnosis.findings."
    return {
        "accepted": found["accepted"],
        "patch": found["patch"],
        "applied": bool(apply and found["accepted"]),
        "summary": f"{summary}\n{found['why']}".strip(),
        "next_step": step,
        "fix": found,
    }


# -- the command line behind them -----------------------------------------------------------


async def _watched(
    ctx: Context, verb: list[str], script: str, args: Sequence[str], folder: str, minutes: float
) -> Diagnosed:
    found, printed = await _recorded(ctx, verb, script, args, folder, minutes)
    return _diagnosed(found, printed)


async def _recorded(
    ctx: Context,
    verb: Sequence[str],
    script: str,
    args: Sequence[str],
    folder: str,
    minutes: float | None = None,
) -> tuple[dict[str, Any], str]:
    """What a verb that runs a script writes for --json, and the end of what was printed."""
    target = script.split(maxsplit=1) if script.startswith("-m ") else [script]
    if target[0].startswith("-") and target[0] != "-m":
        raise ToolError(f"{script!r} is no script: name a file, or -m and a module.")
    with tempfile.TemporaryDirectory(prefix="penlight-mcp-") as place:
        out = Path(place, "out.json")
        command = [sys.executable, "-m", "penlight", *verb, "--json", str(out), *target, *args]
        printed = Path(place, "printed")
        with printed.open("wb") as stream:
            process = await anyio.open_process(
                command, cwd=_folder(folder), stdin=DEVNULL, stdout=stream, stderr=stream
            )
            async with process:
                await _end(process, ctx, minutes)
        said = printed.read_text(encoding="utf-8", errors="replace")[-PRINTED:]
        try:
            return json.loads(out.read_text(encoding="utf-8")), said
        except (OSError, ValueError):
            raise ToolError(said.strip() or "The command left no result.") from None


async def _end(process: Process, ctx: Context, minutes: float | None) -> None:
    """Wait for a process; SIGTERM makes `penlight run` report what it has seen so far."""
    begin = anyio.current_time()
    limit = float("inf") if minutes is None else 60 * minutes
    while True:
        left = limit - (anyio.current_time() - begin)
        with anyio.move_on_after(min(BEAT, left) if left > 0 else BEAT):
            await process.wait()
            return
        waited = anyio.current_time() - begin
        if left > 0 and waited >= limit:
            process.terminate()
        await ctx.report_progress(waited, message=f"{waited:.0f} s")


async def _answer(words: Sequence[str], folder: str = "") -> Any:
    """What a verb that only reads prints."""
    done = await anyio.run_process(
        [sys.executable, "-m", "penlight", *words],
        cwd=_folder(folder), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ToolError(done.stderr.decode(errors="replace").strip())
    return json.loads(done.stdout)


def _folder(name: str) -> Path | None:
    if name and not Path(name).is_dir():
        raise ToolError(f"There is no folder {name}.")
    return Path(name) if name else None


def _diagnosed(diagnosis: dict[str, Any], printed: str) -> Diagnosed:
    causes = _causes(diagnosis)
    if causes:
        step = "Call fix with the same script, or make the first prescription by hand."
    elif diagnosis["steps"]:
        step = "Nothing to do: nothing is wrong with this training."
    else:
        step = "No training step was seen: is this the script that trains?"
    return {
        "summary": _summary(diagnosis),
        "next_step": step,
        "diagnosis": diagnosis,
        "printed": printed,
    }


def _causes(diagnosis: dict[str, Any]) -> list[dict[str, Any]]:
    found = diagnosis["findings"]
    return [x for x in found if x["role"] == "cause" and x["severity"] != "note"]


def _summary(diagnosis: dict[str, Any]) -> str:
    lines = [
        f"{x['pitfall']} ({x['severity']}): {x['says']}"
        + "".join(f" [{place}]" for place in (x["where"], x["source"]) if place)
        for x in _causes(diagnosis)
    ]
    checked = len(diagnosis["checked"])
    return "\n".join(lines) or f"None of {checked} pitfalls in {diagnosis['steps']} steps."
