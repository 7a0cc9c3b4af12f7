"""The base of all edits, and how they are found and written down."""

from __future__ import annotations

import importlib
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from penlight.errors import PenlightError

if TYPE_CHECKING:
    from penlight.core.finding import Finding
    from penlight.edits.scene import Scene
    from penlight.edits.source import Change
    from penlight.edits.training import Training


class Refused(Exception):  # noqa: N818  # it is no error: the answer to a question
    """An edit that cannot be made safely here.

    Args:
        why: one sentence about what stands in the way.
        instruction: what the user would have to write, and where, by hand.
    """

    def __init__(self, why: str, instruction: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.instruction = instruction


@dataclass(frozen=True)
class Edit(ABC):
    """One remedy as a value: `LearningRate(0.01)`, written `learning-rate=0.01`.

    A subclass is a frozen dataclass in a file of its own; its name is the class name in kebab
    case, and its fields are str, int or float. `certain` marks a repair that no healthy program
    would miss, so that a trial always includes it. Of edits with the same `slot` a prescription
    holds one.
    """

    name: ClassVar[str]
    slot: ClassVar[str] = ""  # the edit's own name unless given
    certain: ClassVar[bool] = False
    new_rate: ClassVar[bool] = False  # the learning rate has to be found anew after it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
        cls.slot = cls.__dict__.get("slot") or cls.name

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003  # for subclasses
        """The values worth trying against a finding, the likeliest first."""
        yield cls()

    @property
    @abstractmethod
    def says(self) -> str:
        """What it does, as an order: "Set the learning rate to 0.01"."""

    @abstractmethod
    def source(self, scene: Scene) -> Sequence[Change]:
        """The changes of text that make it.

        Raises:
            Refused: there is no safe place for them, or nothing to change.
        """

    def live(self, training: Training) -> None:  # noqa: ARG002  # for subclasses
        """Change a training in memory.

        Raises:
            Refused: it cannot be done there.
        """
        raise Refused(f"{self.name} can only be made in the source.")

    def __str__(self) -> str:
        values = [_plain(getattr(self, field.name)) for field in fields(self)]
        return f"{self.name}={','.join(values)}" if values else self.name


@cache
def edits() -> dict[str, type[Edit]]:
    """All edits by name, sorted."""
    import penlight.edits as package

    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    ]
    found = {
        value.name: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Edit) and value is not Edit
    }
    return dict(sorted(found.items()))


def edit(name: str) -> type[Edit]:
    """The edit of that name.

    Raises:
        PenlightError: no such edit; the message proposes the nearest names.
    """
    import difflib

    known = edits()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise PenlightError(f"No edit is called {name!r}.{hint} Known are: {', '.join(known)}.")


def parse(text: str) -> Edit:
    """Read what `str(edit)` writes: `zero-grad`, `learning-rate=0.01`.

    Raises:
        PenlightError: no such edit, or values that do not fit it.
    """
    name, _, rest = text.partition("=")
    cls = edit(name.strip())
    wanted = fields(cls)
    words = [word.strip() for word in rest.split(",")] if rest else []
    kinds = {"int": int, "float": float, "str": str}
    try:
        values = [kinds[str(f.type)](w) for f, w in zip(wanted, words, strict=False)]
        if len(words) > len(wanted):
            raise ValueError
        return cls(*values)
    except (TypeError, ValueError):
        form = ",".join(f"{f.name.upper()}" for f in wanted)
        raise PenlightError(
            f"{text!r} does not fit: write {cls.name}{'=' + form if form else ''}."
        ) from None


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
