"""decay-groups: weight decay for weights alone, not for biases and norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.edits.edit import Edit, Refused
from penlight.edits.models import trained
from penlight.edits.names import fresh
from penlight.edits.scene import Scene
from penlight.edits.source import Change, argument
from penlight.edits.training import Training


@dataclass(frozen=True)
class DecayGroups(Edit):
    """Leave biases and the parameters of norms out of the weight decay."""

    @property
    def says(self) -> str:
        return "Leave biases and norms out of the weight decay"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = trained(scene)
        source, call = found.source, found.optimizer
        given = source.code(call.args[0].value)
        if given != f"{found.name}.parameters()":
            raise Refused(
                f"{source.file}:{source.lines(call)[0]} gives the optimiser groups already.",
                'Add "weight_decay": 0.0 to the group of biases and norms.',
            )
        if argument(call, "weight_decay") is None and scene.run.optimizers[0].type != "AdamW":
            raise Refused("The optimiser has no weight decay.")
        weights, rest = fresh(source, "weights", "decayed"), fresh(source, "rest", "undecayed")
        every = f"for p in {given} if p.dim()"
        code = f"{weights} = [p {every} > 1]\n{rest} = [p {every} <= 1]  # biases and norms"
        groups = f'[{{"params": {weights}}}, {{"params": {rest}, "weight_decay": 0.0}}]'
        return (source.before(call, code), source.replace(call.args[0].value, groups))

    def live(self, training: Training) -> None:
        optimizer = training.optimizer
        for group in list(optimizer.param_groups):
            rest = [p for p in group["params"] if p.dim() <= 1]
            weights = [p for p in group["params"] if p.dim() > 1]
            if not rest or not weights or group.get("weight_decay", 0.0) == 0:
                continue
            group["params"] = weights
            options = {k: v for k, v in group.items() if k != "params"}
            optimizer.add_param_group({**options, "params": rest, "weight_decay": 0.0})
