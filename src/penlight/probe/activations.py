"""Numbers on activations, from the results that autograd keeps for its own use."""

from __future__ import annotations

from torch import Tensor

from penlight.core.vocabulary import DEAD_SAMPLES, DEAD_SHARE, SATURATED_SHARE, ZERO_SHARE
from penlight.probe.graph import Walk
from penlight.probe.state import State
from penlight.signals import activations as units

WINDOW = 1024  # samples behind one dead share: a silent unit fires on under 0.3% (rule of three)
FEWEST = 64  # samples behind the last one of a run


class Activations:
    """Reads ReLU, sigmoid and tanh results off walked graphs.

    A unit counts as dead when it was positive on no sample of a window of several batches.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.alive: dict[str, tuple[Tensor, int]] = {}

    def look(self, found: Walk) -> None:
        """Measure every activation of one graph."""
        state = self.state
        counts: dict[str, int] = {}
        for index, kind, result in found.activations():
            if not result.numel() or not state.room():
                continue
            owner, convolution = found.upstream(index)
            site = found.nodes[index].op.module or f"{owner or 'input'} > {kind.lower()}"
            counts[site] = counts.get(site, 0) + 1
            if counts[site] > 1:
                site = f"{site} #{counts[site]}"
            state.readout.add(ZERO_SHARE, site, state.step, units.zero_share(result))
            if kind == "Relu":
                self._dead(site, result, convolution)
            else:
                share = units.saturated_share(result, kind, convolution)
                state.readout.add(SATURATED_SHARE, site, state.step, share)

    def _dead(self, site: str, result: Tensor, convolution: bool) -> None:
        now = units.alive(result, convolution)
        rows = result.numel() // max(now.numel(), 1)
        before = self.alive.get(site)
        if before is not None and before[0].shape == now.shape:
            now, rows = now | before[0], rows + before[1]
        self.alive[site] = (now, rows)
        if rows >= WINDOW:
            self._dead_out(site)

    def _dead_out(self, site: str) -> None:
        alive, rows = self.alive.pop(site)
        state = self.state
        state.readout.add(DEAD_SHARE, site, state.step, 1.0 - alive.float().mean())
        state.readout.add(DEAD_SAMPLES, site, state.step, float(rows))

    def finish(self) -> None:
        """Close the windows that hold enough samples to say something."""
        for site in [s for s, (_, rows) in self.alive.items() if rows >= FEWEST]:
            self._dead_out(site)
