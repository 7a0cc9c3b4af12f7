"""How several ranks share one training, read off the parameters themselves."""

from __future__ import annotations

import os
from typing import Any

from torch import nn

from penlight.core import facts as f
from penlight.probe.models import Models


def together() -> bool:
    """Whether this process is one of several ranks."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def shared(models: Models) -> f.Parallel:
    """How the ranks share the models: by parts of the batch, and by parts of parameters."""
    shards: dict[str, int] = {}
    data = models.replicas
    for root in models.roots:
        model = root.module
        for name, p in model.named_parameters() if model is not None else ():
            pieces = parts(p)
            if pieces is not None:
                shards[models.parameter(p) or name] = pieces
                # Over one dimension of the mesh, by FSDP2: the rest of it holds copies.
                data = data or (fully_sharded(model) and cuts(p) == 1)
    return f.Parallel(data=data, shards=shards)


def parts(p: Any) -> int | None:
    """In how many parts a DTensor lies; None for a plain tensor, and for sums not yet taken."""
    placements, mesh = getattr(p, "placements", None), getattr(p, "device_mesh", None)
    if mesh is None or not placements or any(x.is_partial() for x in placements):
        return None
    pieces = 1
    for dimension, placement in enumerate(placements):
        if not placement.is_replicate():  # a shard of a shard says no to is_shard, too
            pieces *= int(mesh.size(dimension))
    return pieces


def cuts(p: Any) -> int:
    """Over how many dimensions of its mesh a DTensor is cut."""
    return sum(not placement.is_replicate() for placement in p.placements)


def fully_sharded(model: nn.Module | None) -> bool:
    """Whether `fully_shard` was called on a model."""
    return any(cls.__name__ == "FSDPModule" for cls in type(model).__mro__)
