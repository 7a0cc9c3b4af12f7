"""train-mode: model.train() right before the pass that is learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.eval_mode import model_in
from penlight.edits.scene import Scene
from penlight.edits.source import Change, dotted

BY_HAND = "Call model.train() right before the training pass: model(x), loss, backward()."


@dataclass(frozen=True)
class TrainMode(Edit):
    """Switch dropout and batch norm on, whatever has been called since the epoch began."""

    certain = True

    @property
    def says(self) -> str:
        return "Call model.train() right before each training pass"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = scene.loop
        if not isinstance(loop.body, (cst.For, cst.While)):
            raise Refused("The training pass is not written out in a loop.", BY_HAND)
        if not isinstance(loop.body.body, cst.IndentedBlock):
            raise Refused("The training loop is written on one line.", BY_HAND)
        model = model_in(scene, loop.source, loop.body)
        for statement in loop.body.body.body:
            called = {dotted(c.func) for c in loop.source.all(cst.Call, statement)}
            if model and f"{model}.train" in called:
                break
            if model and model in called:
                first: cst.CSTNode = statement
                if isinstance(statement, cst.SimpleStatementLine):
                    first = statement.body[0]
                return [loop.source.before(first, f"{model}.train()")]
        raise Refused("Where the training pass begins cannot be told from the text.", BY_HAND)
