"""What a step is made of: its gradients, and how far it moves each parameter.

Parameters of one device are measured together: on small networks the number of operations is what
a look costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from penlight.core.vocabulary import (
    FLOOR_SHARE,
    GRAD_NORM,
    LOST_SHARE,
    TRAVEL,
    UPDATE_BASE,
    UPDATE_RATIO,
    WEIGHT_NORM,
)
from penlight.probe.state import State
from penlight.probe.watched import Sampled, Watched
from penlight.signals import parameters as weights
from penlight.signals import tensors as measure

SHORT = (torch.bfloat16, torch.float16)


class Updates:
    """Measures the steps that are looked at.

    Args:
        name: of a parameter, for the record.
    """

    def __init__(self, state: State, name: Callable[[Tensor], str]) -> None:
        self.state = state
        self.name = name

    def gradients(self, watched: Watched) -> None:
        """Measure the gradients that are about to be used."""
        state = self.state
        held = watched.graded()
        grads = {id(p): grad for p, grad in held}
        unscale = getattr(watched.ref(), "grad_scale", None)
        zero = True
        for ps in by_device([p for p, _ in held]):
            norms = measure.norms([weights.local(grads[id(p)]) for p in ps])
            if isinstance(unscale, Tensor):
                norms = norms / unscale
            zero = zero and norms.is_cpu and not float(norms.sum())
            state.readout.add_each(GRAD_NORM, [self.name(p) for p in ps], state.step, norms)
        if zero and not watched.closure:
            state.count("zeroed_steps")
        for p, grad in held if state.half else ():
            share = weights.floor_share(weights.sample(grad))
            state.readout.add(FLOOR_SHARE, self.name(p), state.step, share)

    def begin(self, watched: Watched) -> None:
        """Keep some of each parameter's values, before the step."""
        held = [p for p in watched.tensors() if p.requires_grad and p.numel()]
        watched.begin([Sampled(tuple(ps), *weights.samples(ps)) for ps in by_device(held)])

    def end(self, watched: Watched) -> None:
        """Compare them with the values after it."""
        for group in watched.before:
            self._moved(watched, group)
        watched.before = []

    def _moved(self, watched: Watched, old: Sampled) -> None:
        """Measure how far some parameters have been moved by a step, and since the first one."""
        readout, step = self.state.readout, self.state.step
        values, lengths = weights.samples(old.tensors)
        if lengths != old.lengths or values.device != old.values.device:
            return  # the step itself has changed a parameter's shape or place
        names = [self.name(p) for p in old.tensors]
        ratios = weights.relative_changes(old.values, values, lengths)
        readout.add_each(UPDATE_RATIO, names, step, ratios)
        sizes = measure.norms([weights.local(p) for p in old.tensors])
        readout.add_each(WEIGHT_NORM, names, step, sizes)
        pairs = list(zip(names, old.tensors, old.parts(), values.split(lengths), strict=True))
        for name, p, before, after in pairs:
            if hasattr(p, "placements"):
                readout.add(UPDATE_BASE, name, step, measure.norm(before))
            if p.dtype in SHORT and p.grad is not None:
                lost = weights.lost_share(before, after, weights.sample(p.grad).reshape(-1))
                readout.add(LOST_SHARE, name, step, lost)
        known = [
            (name, start, after)
            for name, p, _, after in pairs
            if (start := watched.start.get(id(p))) is not None and start.shape == after.shape
        ]
        if known:
            sites, starts, now = zip(*known, strict=True)
            counts = [len(x) for x in starts]
            travel = weights.relative_changes(torch.cat(starts), torch.cat(now), counts)
            readout.add_each(TRAVEL, sites, step, travel)


def by_device(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Tensors of one device together, in their order."""
    groups: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.device, []).append(tensor)
    return list(groups.values())
