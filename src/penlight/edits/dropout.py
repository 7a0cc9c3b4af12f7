"""dropout: how many units are left out in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.activations import Site, hidden
from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.names import sibling
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, dotted, last_name
from penlight.edits.training import Training
from penlight.edits.values import listed, set_argument

LAYERS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "SpatialDropout2D")
FUNCTIONS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")


@dataclass(frozen=True)
class Dropout(Edit):
    """Leave out a share of the units in training: the share set anew, or dropout added.

    Args:
        p: the share; 0 switches existing dropout off.
    """

    p: float

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        less = finding.pitfall in ("excessive-regularisation", "dropout-norm-misuse")
        for p in (0.2, 0.0) if less else (0.3, 0.5):
            yield cls(p)

    @property
    def says(self) -> str:
        return f"Set dropout to {self.p:g}" if self.p else "Switch dropout off"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes: list[Change] = []
        for file in scene.files:
            source = scene.source(file)
            for call in source.calls(*LAYERS, *FUNCTIONS):
                if _a_layer_called(source, call):
                    continue
                layer = last_name(call.func) in LAYERS
                name = "rate" if argument(call, "rate") is not None else "p"
                where = 0 if layer else 1
                changes += set_argument(scene, source, call, name, f"{self.p:g}", where)
        if changes:
            return list(dict.fromkeys(changes))
        if self.p == 0:
            raise Refused("The source shows no dropout.")
        added = [change for site in hidden(scene) for change in self._behind(site)]
        if not added:
            raise Refused(
                "There is no hidden activation to put dropout behind.",
                f"Put torch.nn.Dropout({self.p:g}) between the hidden layers.",
            )
        return list(dict.fromkeys(added))

    def _behind(self, site: Site) -> Iterator[Change]:
        source, node = site.source, site.node
        if site.form == "module" and isinstance(node, cst.Call):
            around = source.parent(node)
            holder = source.parent(around) if around is not None else None
            owner = last_name(holder.func) if isinstance(holder, cst.Call) else ""
            name, imports = sibling(source, node.func, "Dropout")
            layer = f"{name}({self.p:g})"
            if isinstance(around, cst.Element) or owner == "Sequential":
                yield from imports
                yield listed(source, node, layer)
            elif isinstance(holder, cst.Call) and owner == "append":
                yield from imports
                yield source.after(node, f"{source.code(holder.func)}({layer})")
        elif site.form in ("call", "method") and isinstance(node, cst.Call):
            method = source.enclosing(node, cst.FunctionDef)
            if not isinstance(method, cst.FunctionDef) or method.name.value != "forward":
                return
            me = method.params.params[0].name.value
            head, imports = imported(source, "torch.nn.functional")
            start, end = source.span(node)
            yield from imports
            yield source.insert(start, f"{head}.dropout(")
            yield source.insert(end, f", {self.p:g}, training={me}.training)")

    def live(self, training: Training) -> None:
        from torch import nn

        found = [
            m for m in training.model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)
        ]
        if not found:
            raise Refused("The model has no dropout layer whose share could be set.")
        for module in found:
            module.p = self.p


def _a_layer_called(source: Source, call: cst.Call) -> bool:
    """Whether it is a layer being used, as in `self.dropout(x)`, and no function of torch."""
    if last_name(call.func) in LAYERS:
        return False
    method = source.enclosing(call, cst.FunctionDef)
    first = method.params.params[:1] if isinstance(method, cst.FunctionDef) else ()
    return bool(first) and dotted(call.func).startswith(f"{first[0].name.value}.")
