"""small-head: a last layer that begins with small scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.core.run import Run
from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.initialise import BY_HAND
from penlight.edits.models import path_to, trained, weighted
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.training import Training


@dataclass(frozen=True)
class SmallHead(Edit):
    """Begin with small weights in the last layer, so that the first loss is that of a guess."""

    @property
    def says(self) -> str:
        return "Begin with small weights in the last layer"

    def source(self, scene: Scene) -> Sequence[Change]:
        heavy = weighted(scene.run)
        if not heavy:
            raise Refused("Which layer is the last one is not known.")
        found = trained(scene)
        source = found.source
        layer = found.name + path_to(scene.run, heavy[-1])
        nn, imports = imported(source, "torch.nn")
        changes = []
        for call in source.calls(*BY_HAND):
            code = source.code(call)
            if f"{layer}.weight" in code:
                changes.append(source.replace(call, f"{nn}.init.normal_({layer}.weight, std=0.01)"))
            elif f"{layer}.bias" in code:
                changes.append(source.replace(call, f"{nn}.init.zeros_({layer}.bias)"))
        if changes:
            return [*imports, *changes]
        layer = found.name + _from_the_end(scene.run, heavy[-1])
        bias = any(p.module == heavy[-1] and p.name.endswith("bias") for p in scene.run.parameters)
        code = f"{nn}.init.normal_({layer}.weight, std=0.01)"
        code += f"\n{nn}.init.zeros_({layer}.bias)" if bias else ""
        return [*imports, source.before(found.optimizer, code)]

    def live(self, training: Training) -> None:
        from torch import nn

        layers = [m for m in training.model.modules() if isinstance(m, nn.Linear)]
        if not layers:
            raise Refused("The model has no linear layer.")
        nn.init.normal_(layers[-1].weight, std=0.01)
        if layers[-1].bias is not None:
            nn.init.zeros_(layers[-1].bias)


def _from_the_end(run: Run, name: str) -> str:
    """The path to a layer; the last of a Sequential as [-1], which other edits do not move."""
    block, _, index = name.rpartition(".")
    indices = [m.name.rpartition(".")[2] for m in run.modules if m.name.rpartition(".")[0] == block]
    if index.isdigit() and int(index) == max(int(i) for i in indices if i.isdigit()):
        return path_to(run, name).removesuffix(f"[{index}]") + "[-1]"
    return path_to(run, name)
