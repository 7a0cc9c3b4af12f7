"""open-gates: an LSTM that begins by remembering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.models import trained
from penlight.edits.names import fresh
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.training import Training

BIAS = 3.0  # a gate at sigmoid(3) = 0.95 passes a signal over dozens of steps


@dataclass(frozen=True)
class OpenGates(Edit):
    """Start the LSTMs with open forget gates (Jozefowicz et al., ICML 2015)."""

    bias: float = BIAS

    @property
    def says(self) -> str:
        return f"Start the LSTMs with open forget gates, at a bias of {self.bias:g}"

    def source(self, scene: Scene) -> Sequence[Change]:
        if not any(m.type == "LSTM" for m in scene.run.modules):
            raise Refused("The model has no LSTM; only that has a forget gate.")
        found = trained(scene)
        source = found.source
        nn, imports = imported(source, "torch.nn")
        module, name, bias = (fresh(source, x, f"lstm_{x}") for x in ("module", "name", "bias"))
        code = [
            f"for {module} in {found.name}.modules():",
            f"    if isinstance({module}, {nn}.LSTM):",
            f"        for {name}, {bias} in {module}.named_parameters():",
            f'            if {name}.startswith("bias_ih"):  # input, forget, cell, output',
            f"                {nn}.init.constant_({bias}.chunk(4)[1], {self.bias:g})",
        ]
        return [*imports, source.before(found.optimizer, "\n".join(code))]

    def live(self, training: Training) -> None:
        from torch import nn

        found = [m for m in training.model.modules() if isinstance(m, nn.LSTM)]
        if not found:
            raise Refused("The model has no LSTM; only that has a forget gate.")
        for module in found:
            for name, bias in module.named_parameters():
                if name.startswith("bias_ih"):
                    nn.init.constant_(bias.chunk(4)[1], self.bias)
