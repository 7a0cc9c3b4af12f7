"""ignore-index: padding has no say in the loss of a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.facts import Padding
from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import whole
from penlight.edits.losses import any_loss_call, definitions, loss_call, twins
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name
from penlight.edits.training import Training
from penlight.edits.values import add_argument, number

FUNCTIONS = ("cross_entropy", "nll_loss")
PADDING = {"Embedding": ("padding_idx", 2), "pad_sequence": ("padding_value", 2)}


@dataclass(frozen=True)
class IgnoreIndex(Edit):
    """Leave the targets that are padding out of the loss.

    Args:
        index: the target that stands for padding.
    """

    new_rate = True
    index: int

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        found = [value for _, _, value in _padding(scene)]
        found += [int(x.value) for x in scene.run.all(Padding) if x.counted]
        yield from (cls(value) for value in dict.fromkeys(found))

    @property
    def says(self) -> str:
        return f"Leave the targets {self.index}, the padding, out of the loss"

    def source(self, scene: Scene) -> Sequence[Change]:
        if scene.run.objective is not None and scene.run.objective.by_hand:
            return [self._masked(scene)]
        found, seen = loss_call(scene), scene.run.targets()
        if found.function not in FUNCTIONS:
            raise Refused(f"{found.function} has no target that it could leave out.")
        if seen is None or not seen.min <= self.index <= seen.max:
            raise Refused(f"No target is {self.index}.")
        changes = []
        for each in twins(scene, found) if found.maker is None else (found,):
            source, call = each.options_in, each.options
            text = self._name(scene, source)
            given = argument(call, "ignore_index")
            if given is None:
                changes.append(add_argument(source, call, f"ignore_index={text}"))
            elif number(scene, source, given.value) == self.index:
                raise Refused(f"The loss leaves out {self.index} already.")
            else:
                changes.append(source.replace(given.value, text))
        return changes

    def _masked(self, scene: Scene) -> Change:
        """The change of a loss of the user's own: its mean is taken over what is no padding."""
        found = any_loss_call(scene)
        made = list(definitions(scene, found.source, found.call))
        source, function = made[0]
        params = [p.name.value for p in function.params.params if p.name.value != "self"]
        means = [
            value
            for back in source.all(cst.Return, function)
            if (value := _averaged(back.value)) is not None
        ]
        if len(made) != 1 or len(means) != 1 or len(params) < 2:
            raise Refused(
                "The loss does not end in one mean over its entries.",
                f"Take it over loss[target != {self.index}].",
            )
        text, target = whole(source, means[0]), params[0 if found.swapped else 1]
        if f"{target} !=" in text:
            raise Refused("The loss leaves out some of its entries already.")
        return source.replace(means[0], f"{text}[{target} != {self._name(scene, source)}]")

    def _name(self, scene: Scene, source: Source) -> str:
        """The constant that the file has for the padding; else the number."""
        for where, node, value in _padding(scene):
            if where is source and value == self.index and isinstance(node, cst.Name):
                for target in source.all(cst.AssignTarget):
                    around = source.enclosing(target, cst.FunctionDef, cst.ClassDef)
                    if source.code(target.target) == node.value and around is None:
                        return node.value
        return str(self.index)

    def live(self, training: Training) -> None:
        if getattr(training.loss, "ignore_index", self.index) == self.index:
            raise Refused(f"The loss is no module that could leave out {self.index}.")
        training.loss.ignore_index = self.index  # type: ignore[attr-defined]


def _averaged(value: cst.BaseExpression | None) -> cst.BaseExpression | None:
    """`x` of `x.mean()` and `torch.mean(x)`."""
    if not isinstance(value, cst.Call) or last_name(value.func) != "mean":
        return None
    if isinstance(value.func, cst.Attribute) and not value.args:
        return value.func.value
    return value.args[0].value if len(value.args) == 1 else None


def _padding(scene: Scene) -> Iterator[tuple[Source, cst.BaseExpression, int]]:
    """Where the text names the padding, and its number."""
    for file in scene.files:
        source = scene.source(file)
        for call in source.calls(*PADDING):
            name, position = PADDING[source.code(call.func).rpartition(".")[2]]
            arg = argument(call, name, position)
            value = None if arg is None else number(scene, source, arg.value)
            if arg is not None and value is not None and value.is_integer():
                yield source, arg.value, int(value)
