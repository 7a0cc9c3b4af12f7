"""input-norm: a batch norm in front of the model, which learns the inputs' scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.models import assigned_value, trained
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.training import Training

OF_ALL = {
    "parameters", "named_parameters", "modules", "children", "train", "eval", "to", "cuda", "half",
    "apply", "state_dict", "load_state_dict", "zero_grad",
}  # fmt: skip  # what a Sequential around it answers as well
KINDS = {2: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}


@dataclass(frozen=True)
class InputNorm(Edit):
    """Begin the model with a batch norm. It reaches data whose making the source does not show."""

    slot = "standardise-inputs"
    new_rate = True

    @property
    def says(self) -> str:
        return "Begin the model with a batch norm of the inputs"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = trained(scene)
        source, name = found.source, found.name
        seen = max(scene.run.inputs, key=lambda i: i.samples, default=None)
        if seen is None or seen.embedded or len(seen.shape) not in KINDS:
            raise Refused("The inputs are not of a shape that batch norm takes.")
        layer = KINDS[len(seen.shape)]
        instruction = f"Begin the model with torch.nn.{layer}({seen.shape[1]})."
        if (
            not name.isidentifier()
            or assigned_value(source, cst.Name(name), found.optimizer) is None
        ):
            raise Refused(
                f"{source.file} does not make {name} where the optimiser is.", instruction
            )
        for node in source.all(cst.Attribute):
            if source.code(node.value) == name and node.attr.value not in OF_ALL:
                raise Refused(
                    f"{source.file} uses {name}.{node.attr.value}, which would be hidden.",
                    instruction,
                )
        nn, imports = imported(source, "torch.nn")
        code = f"{name} = {nn}.Sequential({nn}.{layer}({seen.shape[1]}), {name})"
        return [*imports, source.before(found.optimizer, code)]

    def live(self, training: Training) -> None:
        import torch
        from torch import nn

        inputs = next(iter(training.batches))[0]
        if inputs.dim() not in KINDS or not torch.is_floating_point(inputs):
            raise Refused("The inputs are not of a shape that batch norm takes.")
        norm = getattr(nn, KINDS[inputs.dim()])(inputs.shape[1])
        training.model = nn.Sequential(norm, training.model)
        training.optimizer.add_param_group({"params": list(norm.parameters())})
