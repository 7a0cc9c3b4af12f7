"""zero-grad: clear the gradients of the step before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.own_update import clearing, own
from penlight.edits.scene import Loop, Scene
from penlight.edits.source import Change
from penlight.edits.training import Training


@dataclass(frozen=True)
class ZeroGrad(Edit):
    """Clear the gradients before each backward pass."""

    certain = True
    new_rate = True  # a rate that bore summed gradients may be far off for single ones

    @property
    def says(self) -> str:
        return "Clear the gradients before each backward pass"

    def source(self, scene: Scene) -> Sequence[Change]:
        if own(scene):
            return clearing(scene)
        loop = _loop(scene)
        source, calls = loop.source, _clears(scene, loop)
        clear = f"{loop.optimizer}.zero_grad()"
        if not calls:
            if _collects(loop):  # over several batches, up to the step
                return (source.after(loop.step, clear),)
            return (source.before(loop.backward, clear),)
        statement = source.parent(calls[0])
        if len(calls) == 1 and isinstance(statement, cst.Expr) and _wipes(loop, calls[0]):
            return source.drop(statement), source.before(loop.backward, source.code(calls[0]))
        raise Refused(
            f"{source.file}:{source.lines(calls[0])[0]} clears gradients already.",
            "Call it once for every backward pass, on the optimiser that takes the step.",
        )

    def live(self, training: Training) -> None:
        training.zero_grad = True


def _loop(scene: Scene) -> Loop:
    """The training loop; of several, the only one that clears nothing."""
    bare = [loop for loop in scene.loops if not _clears(scene, loop)]
    return bare[0] if len(bare) == 1 else scene.loop


def _clears(scene: Scene, loop: Loop) -> list[cst.Call]:
    """Where a loop clears gradients, but for what stands in another loop that it holds."""
    source = loop.source
    inner = [x.body for x in scene.loops if x.source is source and x.body is not loop.body]
    inner = [body for body in inner if source.inside(body, loop.body)]
    calls = source.calls("zero_grad", within=loop.body)
    return [c for c in calls if not any(source.inside(c, body) for body in inner)]


def _collects(loop: Loop) -> bool:
    """Whether only some of the backward passes are followed by a step: `if i % 4 == 0:`."""
    return any(not loop.source.inside(loop.backward, test) for test in loop.conditions)


def _wipes(loop: Loop, call: cst.Call) -> bool:
    """Whether a zero_grad() stands between the backward pass and the step that is to use it."""
    begin, here, end = (loop.source.span(c)[0] for c in (loop.backward, call, loop.step))
    return begin < here < end
