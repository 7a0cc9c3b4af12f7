"""What the parts of one probe share."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

from penlight.core import facts as f
from penlight.probe.guard import Ledger
from penlight.probe.readout import Readout
from penlight.probe.schedule import EXAM, Governor
from penlight.probe.sink import Sink

if TYPE_CHECKING:
    from torch import Tensor

    from penlight.probe.models import Models

PACKAGES = ("site-packages", "dist-packages", "<frozen", "<string>")
WIDE = 64  # entries of a container that are searched for a tensor
OWN = str(Path(__file__).parents[1])


@dataclass
class State:
    """Clock, level of attention, counters, and where numbers go."""

    sink: Sink
    readout: Readout
    governor: Governor
    ledger: Ledger
    models: Models
    step: int = 0  # iterations finished: steps of the optimiser that has stepped most
    armed: bool = True  # this step gets a full look
    glimpse: bool = False  # this step's rows are kept
    light: bool = True  # gradients and updates are read at this step's end
    backwards: int = 0
    batches: int = 0  # training forward passes of the root since the start
    hygiene: dict[str, Any] = field(default_factory=dict)
    compiled: bool = False
    half: bool = False  # some layer gave float16
    saved_hooks: bool = False  # somebody packs saved tensors: reading them would run their code
    losses: list[Any] = field(default_factory=list)  # of backward passes since the last step
    first_loss_step: float | None = None
    idle: float = 0.0  # seconds taken between looks
    blind: set[str] = field(default_factory=set)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter of `facts.Hygiene`."""
        self.hygiene[name] = self.hygiene.get(name, 0) + by

    def write(self, fact: f.Fact) -> None:
        """Keep a fact."""
        self.sink.event(fact.to_event())

    def blinded(self, what: str, why: str) -> None:
        """Tell once that something cannot be seen."""
        if what not in self.blind:
            self.blind.add(what)
            self.write(f.Blind(what=what, why=why))

    @property
    def keeping(self) -> bool:
        """Whether the rows of this step are kept."""
        return self.armed or self.glimpse

    def rest(self) -> None:
        """No more looks until the next step boundary decides anew."""
        self.armed = self.light = self.glimpse = self.ledger.looking = False

    def room(self, keep: float = EXAM) -> bool:
        """Whether the budget still allows an extra, with `keep` seconds left to experiments."""
        return self.governor.room(self.ledger.cost, keep) > 0


class Alive(dict[int, "ReferenceType[Tensor]"]):
    """Tensors by id, as long as they live: an id comes again for another one."""

    def add(self, tensor: Tensor) -> None:
        """Remember a tensor."""
        key = id(tensor)
        if key not in self:
            self[key] = ref(tensor, lambda _: self.pop(key, None))


def user_frame(depth: int = 1) -> FrameType | None:
    """The innermost frame of the user's own code.

    That is one outside torch, penlight and installed packages; for a training loop that is
    itself installed (python -m package), the innermost frame outside torch and penlight.
    """
    frame: FrameType | None = sys._getframe(depth)
    torch = str(Path(sys.modules["torch"].__file__ or "torch").parent)
    fallback = None
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((torch, OWN)):
            if not any(part in name for part in PACKAGES):
                return frame
            if not name.startswith("<"):
                fallback = fallback or frame
        frame = frame.f_back
    return fallback


def user_line(depth: int = 1) -> str:
    """`file.py:line` of the innermost frame that is the user's own, or ''."""
    frame = user_frame(depth + 1)
    if frame is None:
        return ""
    name = frame.f_code.co_filename.replace("\\", "/").rsplit("/", 1)[-1]
    return f"{name}:{frame.f_lineno}"


def first_tensor(value: Any, depth: int = 3) -> Tensor | None:
    """The first tensor in nested tuples, lists, dicts or objects with fields."""
    import torch

    if isinstance(value, torch.Tensor):
        return value
    if depth == 0:
        return None
    if isinstance(value, dict):
        items: Any = value.values()
    elif isinstance(value, (list, tuple)):
        items = value
    elif hasattr(type(value), "__dataclass_fields__"):
        items = [getattr(value, name, None) for name in value.__dataclass_fields__]
    elif hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)):
        items = list(vars(value).values())  # a distribution, a graph, ...
    else:
        return None
    for item in islice(items, WIDE):
        found = first_tensor(item, depth - 1)
        if found is not None:
            return found
    return None


def measurable(x: Tensor) -> bool:
    """Whether a tensor is a plain block of numbers: not nested, sparse or without data."""
    import torch

    return x.layout is torch.strided and not x.is_nested and not x.is_meta
