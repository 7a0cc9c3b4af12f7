"""no-grad: evaluations that record no graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.data import model_calls
from penlight.edits.edit import Edit, Refused
from penlight.edits.names import member
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name

WORDS = ("eval", "valid", "test", "predict")
OFF = ("no_grad", "inference_mode", "set_grad_enabled", "backward", "autograd")


@dataclass(frozen=True)
class NoGrad(Edit):
    """Run the evaluations without gradients: less memory and time, the same numbers."""

    @property
    def says(self) -> str:
        return "Evaluate without recording gradients"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes: list[Change] = []
        calls = model_calls(scene)
        for file in scene.files:
            source = scene.source(file)
            own = [call for where, call in calls if where is source]
            changes += _functions(source, own)
            changes += _blocks(source, own)
        if not changes:
            raise Refused("No evaluation that records gradients is visible in the source.")
        return list(dict.fromkeys(changes))


def _functions(source: Source, calls: list[cst.Call]) -> Iterator[Change]:
    """A decorator for each function that only evaluates."""
    for function in source.all(cst.FunctionDef):
        inside = [c for c in calls if source.enclosing(c, cst.FunctionDef) is function]
        text = source.code(function)
        if not inside or any(word in text for word in OFF) or not _evaluates(source, function):
            continue
        if any(word in source.code(d.decorator) for d in function.decorators for word in OFF):
            continue
        first, _ = source.span(function.decorators[0] if function.decorators else function)
        line = source.text.rfind("\n", 0, first) + 1
        name, imports = member(source, "torch", "no_grad")
        yield from imports
        yield source.insert(line, f"{source.text[line:first]}@{name}()\n")


def _evaluates(source: Source, function: cst.FunctionDef) -> bool:
    named = any(word in function.name.value.lower() for word in WORDS)
    return named or any(not call.args for call in source.calls("eval", within=function))


def _blocks(source: Source, calls: list[cst.Call]) -> Iterator[Change]:
    """A with-block around the statements between `model.eval()` and `model.train()` that call
    the model, where these stand among statements of the training."""
    for switch in source.calls("eval"):
        if switch.args or not isinstance(switch.func, cst.Attribute):
            continue
        line = source.parent(source.statement(switch))
        block = source.parent(line) if line is not None else None
        if not isinstance(block, (cst.IndentedBlock, cst.Module)):
            continue
        around = source.enclosing(switch, cst.FunctionDef)
        training = around is None or "backward" in source.code(around)
        rest = list(block.body)[list(block.body).index(line) + 1 :] if training else []  # type: ignore[arg-type]
        for at, statement in enumerate(rest):
            if any(last_name(c.func) == "train" for c in source.calls("train", within=statement)):
                rest = rest[:at]
                break
        using = [
            at
            for at, statement in enumerate(rest)
            if any(source.inside(call, statement) for call in calls)
        ]
        if using:
            yield from _wrapped(source, rest[using[0] : using[-1] + 1])


def _wrapped(source: Source, statements: Sequence[cst.CSTNode]) -> Iterator[Change]:
    start, end = source.span(statements[0])[0], source.span(statements[-1])[1]
    text = source.text[start:end]
    if any(word in text for word in OFF):
        return
    if '"""' in text or "'''" in text:
        raise Refused("The evaluation holds a text of several lines, which must not be indented.")
    line = source.text.rfind("\n", 0, start) + 1
    indent, step = source.text[line:start], source.module.default_indent
    name, imports = member(source, "torch", "no_grad")
    yield from imports
    lines = text.splitlines(keepends=True)
    moved = [lines[0], *(f"{step}{x}" if x.strip() else x for x in lines[1:])]
    yield Change(source.file, start, end, f"with {name}():\n{indent}{step}{''.join(moved)}")
