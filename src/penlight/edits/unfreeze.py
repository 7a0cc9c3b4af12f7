"""unfreeze: layers that should learn get a gradient again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.run import Run
from penlight.edits.edit import Edit, Refused
from penlight.edits.models import attribute, trained
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.training import Training


@dataclass(frozen=True)
class Unfreeze(Edit):
    """Set requires_grad on the output layer, which an optimiser holds in vain."""

    certain = True
    new_rate = True

    @property
    def says(self) -> str:
        return "Let the output layer learn: requires_grad_(True)"

    def source(self, scene: Scene) -> Sequence[Change]:
        modules = list(_frozen(scene.run))
        if not modules:
            raise Refused("No frozen layer is in an optimiser.")
        found = trained(scene)
        name = modules[-1]
        part = found.name.rpartition(".")[2] == name.rpartition(".")[2]  # model.fc.parameters()
        owner = found.name if part else f"{found.name}{attribute(name)}"
        statement = found.source.statement(found.optimizer)
        if not isinstance(statement, (cst.Assign, cst.Expr, cst.AnnAssign)):
            raise Refused("The optimiser is not built in a statement of its own.")
        return [found.source.before(found.optimizer, f"{owner}.requires_grad_(True)")]

    def live(self, training: Training) -> None:
        held = [p for g in training.optimizer.param_groups for p in g["params"]]
        frozen = [p for p in held if not p.requires_grad]
        if not frozen:
            raise Refused("The optimiser holds no frozen weights.")
        for p in frozen:
            p.requires_grad_(True)


def _frozen(run: Run) -> Iterator[str]:
    """The modules whose weights an optimiser holds although they are frozen."""
    order = {m.name: m.order for m in run.modules}
    names = {p.module for p in run.parameters if not p.requires_grad and p.optimised and p.used}
    yield from sorted(names, key=lambda n: order.get(n, 0))
