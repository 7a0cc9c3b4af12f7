"""Terms of a loss that lead only to weights which the steps behind it do not move.

In the step of a generator, `critic(fake.detach())` reaches the critic alone: the term is added,
and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from torch import Tensor

from penlight.probe.graph import Walk
from penlight.probe.state import State

PASSING = ("Neg", "Mul", "Div")  # what a term may be scaled by
ADDING = ("Add", "Sub")
FEWEST = 5  # passes of one kind: fewer may be a beginning
MOST = 8  # terms of one loss: a sum over time steps has more, and each costs a walk
SHAPES = 32  # kinds of passes that are told apart


@dataclass
class Term:
    """A term as it comes back from pass to pass.

    Attributes:
        leaves: ids of the known weights that it leads to, in the newest pass.
        name: of one of them.
        passes: how often a step followed on it.
        used: whether any of these steps moved one of its weights.
        stepped: index of the optimiser that stepped first behind the newest pass.
    """

    leaves: frozenset[int]
    name: str
    passes: int = 0
    used: bool = False
    stepped: int | None = None


class Terms:
    """Follows the terms of the losses whose graphs were walked to the steps behind them."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.known: dict[tuple[int, int], Term] = {}
        self.open: list[Term] = []
        self.held: set[int] = set()  # ids of the weights that some optimiser was met with

    def begin(self) -> None:
        """A backward pass begins: what was stepped on is over."""
        if self.open and any(term.stepped is not None for term in self.open):
            for term in self.open:
                term.passes += 1
            self.open = []

    def walked(self, graph: Walk) -> None:
        """The graph of that pass was walked; there are several optimisers."""
        parts = list(islice(_summands(graph), MOST + 1))
        if graph.truncated or not 1 < len(parts) <= MOST:
            return
        for place, index in enumerate(parts):
            leaves = dict(_known(graph, index))
            key = len(graph.nodes), place
            if not leaves or (key not in self.known and len(self.known) >= SHAPES):
                continue
            name = next(iter(leaves.values()))
            term = self.known.setdefault(key, Term(frozenset(), name))
            term.leaves, term.stepped = frozenset(leaves), None
            self.open.append(term)

    def step(self, index: int, held: Iterable[Tensor]) -> None:
        """An optimiser steps, after one or more such passes."""
        ids = {id(p) for p in held}
        for term in self.open:
            term.stepped = index if term.stepped is None else term.stepped
            term.used = term.used or not ids.isdisjoint(term.leaves)

    def finish(self) -> None:
        """Say so in the hygiene facts, if a term moved nothing, though others train its weights."""
        self.begin()
        for term in self.known.values():
            if term.passes >= FEWEST and not term.used and term.leaves <= self.held:
                self.state.hygiene["idle_terms"] = term.passes
                self.state.hygiene["idle_weight"] = term.name
                self.state.hygiene["idle_optimizer"] = term.stepped
                return


def _summands(graph: Walk) -> Iterator[int]:
    """The nodes whose sum is the loss, up to factors."""
    queue = [0]
    while queue:
        index = queue.pop()
        op = graph.nodes[index].op
        if op.name in ADDING or (op.name in PASSING and len(op.inputs) == 1):
            queue.extend(op.inputs)
        else:
            yield index


def _known(graph: Walk, index: int) -> Iterator[tuple[int, str]]:
    """Ids and names of the weights of models behind a node."""
    seen, queue = {index}, [index]
    while queue:
        node = graph.nodes[queue.pop()]
        if node.leaf is not None and node.op.parameter:
            yield id(node.leaf), node.op.parameter
        for following in node.op.inputs:
            if following not in seen:
                seen.add(following)
                queue.append(following)
