"""Do graphs outlive their step? A token in a graph node lives as long as the graph does.

The token is put where autograd keeps notes about a node, on the passes that the probe looks at;
a weak reference to it tells later whether somebody still holds the graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

from torch import Tensor

if TYPE_CHECKING:
    from penlight.probe.state import State

KEY = "penlight kept"
OLD = 8  # steps after which nobody has a use for a graph
MARKS = 512  # graphs marked at most
FEW = 8  # old marks below which nothing is said


class Token:
    """Something to refer to weakly."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True)
class Mark:
    """One graph."""

    step: int
    training: bool  # its model was in training mode
    token: ReferenceType[Token]


class Leaks:
    """Marks graphs and counts how many of them are still there."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.marks: list[Mark] = []  # not yet known to be gone
        self.marked = 0
        self.gone = {True: 0, False: 0}  # by the mode of the model

    def mark(self, output: Tensor, training: bool) -> None:
        """A model gave `output` with a graph behind it."""
        if output.grad_fn is not None and self.marked < MARKS:
            token = Token()
            output.grad_fn.metadata[KEY] = token
            self.marks.append(Mark(self.state.step, training, ref(token)))
            self.marked += 1

    def look(self) -> None:
        """Count the marked graphs that should be gone, and those of them that are not."""
        before, kept = self.state.step - OLD, {True: 0, False: 0}
        alive = []
        for mark in self.marks:
            if mark.token() is None:
                self.gone[mark.training] += 1
                continue
            alive.append(mark)
            kept[mark.training] += mark.step <= before
        self.marks = alive
        counts = [(kept[mode], kept[mode] + self.gone[mode]) for mode in (True, False)]
        known = [(n / of, n, of) for n, of in counts if of >= FEW]
        if known:
            _, n, of = max(known)
            self.state.hygiene["graphs_kept"], self.state.hygiene["graphs_old"] = n, of
