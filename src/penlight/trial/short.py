"""A shortened training: the script with fewer rounds of its own loop, or stopped early.

With fewer rounds the script evaluates and ends as it always does. Stopping it after some steps is
for loops whose length stands nowhere as a number; then only what was seen until there counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import libcst as cst

from penlight.edits import Refused
from penlight.edits.loops import epochs
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name
from penlight.edits.values import number, set_value

LONGEST = 0.5  # share of the training from which on shortening saves too little


@dataclass(frozen=True)
class Cut:
    """How much of a training is looked at.

    Args:
        share: of the whole training.
        steps: after how many optimiser steps the script is stopped; None when its own loop is
            made shorter.
    """

    share: float
    steps: int | None = None


def shortened(scene: Scene, share: float) -> tuple[Mapping[str, str], float]:
    """The texts of a scene with its training loop cut to a share, and the true share.

    The texts keep their lines, and their columns where there is room: what was seen of the
    shortened run is found again in the whole script.

    Raises:
        Refused: the loop's length stands nowhere as a number, or the loop has too few rounds.
    """
    loop = epochs(scene)
    if loop.count is None:
        raise Refused("The loop does not say as a number how long it goes on.")
    found = list(_numbers(scene, loop.source, loop.count))
    if not _from_start(loop.node):
        raise Refused("The loop begins in the middle.")
    if len(found) == 1:
        node, rounds = found[0]
        fewer = max(1, round(rounds * share))
        change = set_value(scene, loop.source, node, str(fewer))
        width = change.end - change.start
        change = Change(change.file, change.start, change.end, change.text.rjust(width))
        share = fewer / rounds
    elif (call := _range(loop.node)) is not None and len(call.args) == 1:
        text = f"max(1, round(({loop.source.code(loop.count)}) * {share:g}))"
        change = loop.source.replace(loop.count, text)
    else:
        raise Refused("The loop computes its length.")
    if share > LONGEST:
        raise Refused("The loop has too few rounds to leave some out.")
    return scene.edited([change]).project.texts, share


def _numbers(
    scene: Scene, source: Source, count: cst.BaseExpression
) -> Iterator[tuple[cst.BaseExpression, float]]:
    """The number that says how many rounds there are: EPOCHS in `EPOCHS` and in `EPOCHS + 1`."""
    if isinstance(count, cst.BinaryOperation) and isinstance(
        count.operator, (cst.Add, cst.Subtract)
    ):
        if isinstance(count.right, cst.Integer):
            yield from _numbers(scene, source, count.left)
        return
    value = number(scene, source, count)
    if value is not None and value >= 1:
        yield count, value


def _range(loop: cst.CSTNode) -> cst.Call | None:
    """The call that counts: `range(n)` in `for i in tqdm(range(n))`."""
    call = loop.iter if isinstance(loop, cst.For) else None
    while isinstance(call, cst.Call) and call.args:
        if last_name(call.func) in ("range", "trange"):
            return call
        call = call.args[0].value
    return None


def _from_start(loop: cst.CSTNode) -> bool:
    """Whether it counts from 0 or 1, where it is a range at all."""
    call = _range(loop)
    if call is None or len(call.args) == 1:
        return True
    first = call.args[0].value
    return isinstance(first, cst.Integer) and first.value in ("0", "1")
