"""Weights that belong to no model: a layer kept in a list, or a tensor made by hand."""

from __future__ import annotations

import sys
from collections.abc import Set as AbstractSet
from weakref import ReferenceType, ref

from torch import Tensor, nn

from penlight.core import facts as f
from penlight.probe.models import at_start
from penlight.probe.state import State

FIRST = 128  # looked at when they are met; a script that makes new ones at every step has more
SMALL = 1 << 20  # elements of a tensor whose start is read
LISTED = 256  # entries of a list that may be one of weights


class Strangers:
    """Leaves that a loss reaches and no module holds, numbered as they are met."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._leaves: dict[int, ReferenceType[Tensor]] = {}
        self._names: dict[int, str] = {}  # by number
        self._held: set[int] = set()  # numbers of those that some optimiser has held
        self._sums: dict[int, float] = {}  # of those that a model keeps as plain attributes
        self._starts: dict[int, tuple[bool, float, float]] = {}  # by number

    def meet(self, leaf: Tensor) -> str:
        """A loss reaches a leaf without a model: its name if it is a matrix, '' for others."""
        known = self._leaves.get(id(leaf))
        if known is None or known() is not leaf:
            self._leaves[id(leaf)] = ref(leaf)
            if leaf.dim() in (1, 2) and _there(leaf) and len(self._starts) < FIRST:
                self._starts[self._number(leaf)] = at_start(leaf.detach().t())  # as in x @ w
        if leaf.dim() != 2:
            return ""
        number = self._number(leaf)
        return self._name(number, leaf) if number in self._starts else ""

    def name(self, p: Tensor) -> str:
        """What a tensor without a model is called."""
        if id(p) in self._leaves:
            return self._name(self._number(p), p)
        return f"unnamed{tuple(p.shape)}"

    def describe(self, optimised: AbstractSet[int]) -> None:
        """Write those that are weights: an optimiser or a model holds them, or they are parameters.

        Args:
            optimised: ids of the tensors in some optimiser.
        """
        models = self.state.models
        for number, stranger in enumerate(self._leaves.values()):
            leaf = stranger()
            if leaf is None or models.parameter(leaf):
                continue
            own = models.attribute(leaf) if leaf.device.type == "cpu" else ""
            if id(leaf) in optimised or (own and self._moved(leaf)):
                self._held.add(number)
            if number in self._held or own or isinstance(leaf, nn.Parameter):
                equal, mean, std = self._starts.get(number, (False, 0.0, 0.0))
                self.state.write(
                    f.Parameter(
                        name=own or self._name(number, leaf),
                        shape=tuple(leaf.shape),
                        registered=False,
                        units_last=leaf.dim() == 2,
                        equal_rows=equal,
                        mean=mean,
                        std=std,
                        optimised=number in self._held,
                        reached=True,
                        used=True,
                    )
                )

    def _number(self, leaf: Tensor) -> int:
        return list(self._leaves).index(id(leaf))

    def _name(self, number: int, p: Tensor) -> str:
        if number not in self._names:
            self._names[number] = variable(p) or f"unnamed{number}{tuple(p.shape)}"
        return self._names[number]

    def _moved(self, leaf: Tensor) -> bool:
        """Whether a leaf that a model keeps as a plain attribute was changed, as by hand."""
        value = float(leaf.detach().double().sum())
        return self._sums.setdefault(id(leaf), value) != value


def _there(leaf: Tensor) -> bool:
    """Whether a tensor is small and has its values: those of a sharded one may lie elsewhere."""
    if not 0 < leaf.numel() <= SMALL or type(leaf) not in (Tensor, nn.Parameter):
        return False
    return leaf.device.type != "meta" and bool(leaf.untyped_storage().nbytes())


def variable(tensor: Tensor) -> str:
    """What the main script calls a tensor, '' where it has no global name for it."""
    for name, value in list(vars(sys.modules["__main__"]).items()):
        if name[:1] == "_":
            continue
        if value is tensor:
            return name
        if type(value) not in (dict, list, tuple) or len(value) > LISTED:
            continue
        for key, item in value.items() if type(value) is dict else enumerate(value):
            if item is tensor:
                return f"{name}[{key!r}]"
    return ""
