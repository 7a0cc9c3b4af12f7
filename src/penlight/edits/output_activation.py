"""output-activation: another activation behind the last layer, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.facts import Objective
from penlight.core.finding import Finding
from penlight.edits.compiled import compiled
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import add_entry, entry, put
from penlight.edits.heads import (
    KINDS,
    Applied,
    bare,
    ending,
    head_op,
    kind_of,
    last_layer_at,
    orphaned,
    thresholds,
)
from penlight.edits.names import member, sibling
from penlight.edits.scene import Scene
from penlight.edits.shared_block import bare_at_the_end
from penlight.edits.source import Change, Source, argument, last_name
from penlight.edits.training import Training
from penlight.pitfalls._curves import VALUES
from penlight.pitfalls._graph import wirings

NONE = "none"
FUNCTIONS = ("softmax", "log_softmax", "sigmoid", "tanh")


@dataclass(frozen=True)
class OutputActivation(Edit):
    """End the model in another activation, or in none.

    Args:
        to: none, sigmoid, softmax, log_softmax or tanh.
    """

    new_rate = True
    to: str

    def __post_init__(self) -> None:
        if self.to not in (NONE, *FUNCTIONS):
            raise ValueError(f"{self.to} is no activation of an output.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:
        objective = scene.run.objective or Objective()
        one = len(objective.input_shape) < 2 or objective.input_shape[1] == 1
        if finding.pitfall == "single-unit-softmax":
            bare = objective.function in VALUES or _behind_a_sigmoid(scene)
            yield cls(NONE if bare else "sigmoid")
        elif objective.function == "nll_loss" and not objective.by_hand:
            yield cls(
                "log_softmax" if compiled(scene) is None else "softmax"
            )  # Keras takes the log
        elif finding.pitfall == "output-activation-mismatch" and (
            objective.by_hand or not objective.function
        ):
            taken = objective.function in VALUES
            yield cls(NONE if taken else "sigmoid" if one else "softmax")
        else:
            yield cls(NONE)

    @property
    def says(self) -> str:
        if self.to == NONE:
            return "Return the last layer's output as it is, without an activation"
        return f"Let the model end in {self.to}"

    def source(self, scene: Scene) -> Sequence[Change]:
        keras = compiled(scene)
        if keras is not None:
            change = keras.ended("linear" if self.to == NONE else self.to)
            if change is None:
                raise Refused(f"The model ends in {keras.activation or 'no activation'} already.")
            return [change]
        kind, _ = head_op(scene.run)
        if not kind:
            return self._added(scene)
        if self.to == NONE and (changes := bare_at_the_end(scene)):
            return changes
        if self.to == NONE:
            return [*bare(scene), *(thresholds(scene) if kind == "sigmoid" else ())]
        found = ending(scene)
        if kind_of(self.to) == kind:
            raise Refused(f"The model ends in {self.to} already.")
        return self._replaced(scene, found)

    def _added(self, scene: Scene) -> Sequence[Change]:
        """The activation behind a last layer that has none."""
        if self.to == NONE:
            raise Refused("The model ends without an activation already.")
        layer = last_layer_at(scene)
        source, dim = layer.source, _dim(scene, None)
        if not layer.listed:
            owner, imports = member(source, "torch", self.to)
            arguments = dim if "softmax" in self.to else ""
            return [
                *imports,
                put(source, layer.node, f"{owner}({source.code(layer.node)}{arguments})"),
            ]
        name, imports = sibling(source, layer.maker.func, KINDS[kind_of(self.to)])
        text = f"{name}({dim.lstrip(', ') if 'softmax' in self.to else ''})"
        item = entry(source, layer.node)
        if item is None:
            call = source.enclosing(layer.maker, cst.Expr)
            if call is None:
                raise Refused("The last layer is added in a way that cannot be continued.")
            statement = source.code(call).replace(source.code(layer.maker), text)
            return [*imports, source.after(call, statement)]
        return [*imports, add_entry(source, item, text)]

    def _replaced(self, scene: Scene, found: Applied) -> Sequence[Change]:
        source, node = found.source, found.node
        if found.word:
            return [source.replace(node, f'"{self.to}"')]
        dim = _dim(scene, found) if "softmax" in self.to else ""
        if found.maker is not None and (found.inner is None or not _named_after_itself(found)):
            name, imports = sibling(source, found.maker.func, KINDS[kind_of(self.to)])
            return [*imports, source.replace(found.maker, f"{name}({dim.lstrip(', ')})")]
        assert isinstance(node, cst.Call)
        assert found.inner is not None
        inner = source.code(found.inner)
        if isinstance(node.func, cst.Attribute) and node.func.value is found.inner:
            return [source.replace(node, f"{inner}.{self.to}({dim.lstrip(', ')})")]
        name, imports = _function(source, node, self.to, found.maker is not None)
        return [*imports, source.replace(node, f"{name}({inner}{dim})"), *orphaned(found)]

    def live(self, training: Training) -> None:
        from torch import nn

        leaves = [
            (parent, name, child)
            for parent in training.model.modules()
            for name, child in parent.named_children()
            if not list(child.children())
        ]
        if not leaves or not kind_of(type(leaves[-1][2]).__name__):
            raise Refused("The model does not end in a module of an activation.")
        parent, name, _ = leaves[-1]
        if self.to == NONE:
            setattr(parent, name, nn.Identity())
        else:
            dim = {"dim": 1} if "softmax" in self.to else {}
            setattr(parent, name, getattr(nn, KINDS[kind_of(self.to)])(**dim))


def _behind_a_sigmoid(scene: Scene) -> bool:
    """Whether what is softened is the output of a sigmoid already."""
    return any(
        kind_of(name) == "softmax"
        and (inner := wiring.below(i)) is not None
        and kind_of(wiring.names[inner]) == "sigmoid"
        for wiring in wirings(scene.run)
        for i, name in enumerate(wiring.names)
    )


def _named_after_itself(found: Applied) -> bool:
    """Whether a module's name says what it is: `self.relu` cannot hold a softmax."""
    assert isinstance(found.node, cst.Call)
    return found.kind in kind_of(last_name(found.node.func)) or len(orphaned(found)) == 0


def _function(
    source: Source, call: cst.Call, to: str, module: bool
) -> tuple[str, Sequence[Change]]:
    if module or not isinstance(call.func, cst.Attribute):
        return member(source, "torch", to) if module else sibling(source, call.func, to)
    owner = source.code(call.func.value)
    if owner != "torch" and to in ("sigmoid", "tanh"):  # deprecated in torch.nn.functional
        return member(source, "torch", to)
    return f"{owner}.{to}", ()


def _dim(scene: Scene, found: Applied | None) -> str:
    """The argument that names the classes' dimension."""
    if found is not None and "softmax" in found.kind:
        call = found.maker or found.node
        assert isinstance(call, cst.Call)
        method = isinstance(call.func, cst.Attribute) and call.func.value is found.inner
        position = 0 if found.maker is not None or method else 1
        given = argument(call, "dim", position)
        if given is not None:
            return f", dim={found.source.code(given.value)}"
    objective = scene.run.objective
    wide = objective is not None and len(objective.input_shape) == 3 and objective.by_hand
    return ", dim=-1" if wide else ", dim=1"
