"""widen: more units in the narrowest hidden layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
    """Give the narrowest hidden layer that many units, and the layers behind it as many inputs."""

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
        return f"Widen the narrowest hidden layer to {self.units} units"

    def source(self, scene: Scene) -> Sequence[Change]:
        modules = {m.name: m for m in scene.run.modules}
        heavy = [modules[name] for name in weighted(scene.run)]
        hidden = [m for m in heavy[:-1] if m.type in OUT and OUT[m.type] in m.settings]
        if not hidden:
            raise Refused("The model has no hidden layer whose width is known.")
        width = min(int(m.settings[OUT[m.type]]) for m in hidden)
        if width >= self.units:
            raise Refused(f"The narrowest hidden layer has {width} units already.")
        changes: list[Change] = []
        for at, module in enumerate(scene.run.modules):
            if module in hidden and int(module.settings[OUT[module.type]]) == width:
                changes += self._set(scene, module.source, module.type, OUT, 1, width)
                for other in scene.run.modules[at + 1 :]:
                    if other.type in IN:
                        changes += self._set(scene, other.source, other.type, IN, 0, width)
                    if other in heavy:
                        break
        return list(dict.fromkeys(changes))

    def _set(
        self, scene: Scene, where: str, kind: str, names: dict[str, str], position: int, width: int
    ) -> Iterator[Change]:
        source, calls = scene.calls_at(where, kind)
        fitting = [
            arg.value
            for call in calls
            if (arg := argument(call, names[kind], position)) is not None
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
