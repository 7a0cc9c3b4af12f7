"""Watches routers of mixtures of experts: which experts get the tokens.

A router shows in the graph of the loss as a top-k or a maximum over the last dimension of what a
softmax, or the layer itself, made of a linear map. The indices that autograd keeps are counted.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from penlight.core.vocabulary import ROUTER_ENTROPY, ROUTER_IDLE
from penlight.probe.graph import Walk, maker, operation, saved, shape
from penlight.probe.state import State
from penlight.signals import routing as measure

WINDOW = 1024  # tokens behind one measurement, over several steps
EXPERTS = 256  # most that are told from a search among many items
SAMPLE = 8192  # tokens of one step that are counted
LINEAR = ("Addmm", "Mm", "Linear", "Add")  # Add: a bias of its own, or noise


class Routers:
    """Counts the choices of each router over windows of looked-at steps."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.loads: dict[str, Tensor] = {}
        self.tokens: dict[str, int] = {}

    def look(self, found: Walk) -> None:
        """Count the choices of every router in one graph."""
        number = 0
        for index, node in enumerate(found.nodes):
            if node.op.name not in ("Topk", "Max"):
                continue
            indices, experts = saved(node.live, "indices"), _experts(node.live)
            if indices is None or not experts or not self.state.room():
                continue
            number += 1
            site = found.upstream(index)[0] or f"router {number}"
            chosen = indices.detach().reshape(-1)
            chosen = chosen[:: max(1, -(-chosen.numel() // SAMPLE))]
            load = measure.load(chosen, experts)
            before = self.loads.get(site)
            if before is not None and before.shape == load.shape:
                load = load + before
            else:
                self.tokens[site] = 0
            self.loads[site] = load
            self.tokens[site] += chosen.numel()
            if self.tokens[site] >= WINDOW:
                self._out(site)

    def _out(self, site: str) -> None:
        load, state = self.loads.pop(site), self.state
        state.readout.add(ROUTER_ENTROPY, site, state.step, measure.entropy(load))
        state.readout.add(ROUTER_IDLE, site, state.step, measure.idle(load))


def _experts(live: Any) -> int:
    """Over how many a router's node chooses; 0 when it is no router."""
    source = live.next_functions[0][0] if live.next_functions else None
    if source is None:
        return 0
    sizes = shape(source)
    last = len(sizes) - 1
    over = getattr(live, "_saved_dim", None)
    # torch keeps a negative dimension as an unsigned number.
    if not sizes or over is None or over not in (last, -1, 2**64 - 1):
        return 0
    if operation(source) == "Softmax":
        source = source.next_functions[0][0]
    elif operation(live) == "Max":
        return 0  # a maximum over units, as in pooling
    return sizes[-1] if 1 < sizes[-1] <= EXPERTS and maker(source) in LINEAR else 0
