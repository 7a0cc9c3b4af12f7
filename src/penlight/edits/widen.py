"""widen: more units in narrow hidden layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penlight.core.facts import Module
from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.models import weighted
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument
from penlight.edits.values import number, set_value

OUT = {"Linear": "out_features", "Conv1d": "out_channels", "Conv2d": "out_channels"}
IN = {
    "Linear": "in_features", "Conv1d": "in_channels", "Conv2d": "in_channels",
    "BatchNorm1d": "num_features", "BatchNorm2d": "num_features", "LayerNorm": "normalized_shape",
}  # fmt: skip


@dataclass(frozen=True)
class Widen(Edit):
    """Give narrow hidden layers that many units, and the layers behind them as many inputs.

    In a stack of linear layers all that have fewer, as in the experiment that asks for it; next to
    others only the narrowest, for each channel of a convolution costs time.
    """

    new_rate = True
    units: int

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        widths = [int(m.settings.get(OUT.get(m.type, ""), 0)) for m in scene.run.modules]
        hidden = [w for w in widths if w][:-1]
        for units in (64, 16):
            if hidden and units > min(hidden):
                yield cls(units)

    @property
    def says(self) -> str:
        return f"Widen the narrow hidden layers to {self.units} units"

    def source(self, scene: Scene) -> Sequence[Change]:
        modules = {m.name: m for m in scene.run.modules}
        heavy = [modules[name] for name in weighted(scene.run)]
        hidden = [m for m in heavy[:-1] if m.type in OUT and OUT[m.type] in m.settings]
        if not hidden:
            raise Refused("The model has no hidden layer whose width is known.")
        widths = [int(m.settings[OUT[m.type]]) for m in hidden]
        narrowest = min(widths)
        if narrowest >= self.units:
            raise Refused(f"The narrowest hidden layer has {narrowest} units already.")
        border = self.units if {m.type for m in heavy} == {"Linear"} else narrowest + 1
        narrow = {m.name: w for m, w in zip(hidden, widths, strict=True) if w < border}
        changes: list[Change] = []
        for at, module in enumerate(scene.run.modules):
            if module.name in narrow:
                width = narrow[module.name]
                changes += self._set(scene, module, OUT, 1, width)
                for other in scene.run.modules[at + 1 :]:
                    if other.type in IN:
                        changes += self._set(scene, other, IN, 0, width)
                    if other in heavy:
                        break
        return list(dict.fromkeys(changes))

    def _set(
        self, scene: Scene, module: Module, names: dict[str, str], position: int, width: int
    ) -> Iterator[Change]:
        name = names[module.type]
        source, calls = scene.calls_at(module.source, module.type)
        alike = [m for m in scene.run.modules if (m.source, m.type) == (module.source, module.type)]
        if len(alike) == len(calls):  # several layers on one line, in their order
            calls = [calls[alike.index(module)]]
        fitting = [
            arg.value
            for call in calls
            if (arg := argument(call, name, position)) is not None
            and number(scene, source, arg.value) == width
        ]
        if not fitting:
            line = source.lines(calls[0])[0]
            raise Refused(
                f"{source.file}:{line} does not write the width of {width} as a number.",
                f"Give the narrow hidden layer {self.units} units.",
            )
        for node in fitting:
            yield set_value(scene, source, node, str(self.units))
