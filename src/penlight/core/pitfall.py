"""The base of the catalogue: one pitfall is one subclass in one file."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from penlight.core.facts import Fact
from penlight.core.finding import Evidence, Finding, Prescription, Severity
from penlight.core.run import Run
from penlight.core.vocabulary import Signal

HEADINGS = ("What happens", "Symptoms", "Causes", "When not to worry", "References")


@dataclass(frozen=True, slots=True)
class Limit:
    """A number a rule depends on, with the reason for it."""

    default: float
    why: str


def limit(default: float, *, why: str) -> Any:
    """Declare a limit in a pitfall's body; on an instance it reads as its plain number."""
    return Limit(default, why)


@dataclass(frozen=True, slots=True)
class Demo:
    """A plain training script in which the pitfall happens, and the edit that cures it.

    `cure` lists (old, new) text replacements; applied to `script` they give the cured script.
    Both run offline on a CPU in under 20 s and end with a line
    `RESULT {"metric": ..., "value": ...}`.
    """

    script: str
    cure: tuple[tuple[str, str], ...]
    better: str = "higher"  # whether a cured RESULT is higher or lower

    @property
    def cured(self) -> str:
        """The cured script; ValueError when an edit does not fit."""
        text = self.script
        for old, new in self.cure:
            if text.count(old) != 1:
                raise ValueError(
                    f"the cure's text {old!r} occurs {text.count(old)} times, not once"
                )
            text = text.replace(old, new)
        return text


class Pitfall(ABC):
    """One way in which training goes wrong.

    A subclass holds, in this order: its card (docstring: a title line, an everyday picture, then
    the fixed headings), `family`, `needs`, `caused_by`, `looks_like`, limits, `prescriptions`,
    `demo`, `detect`.
    Its name is the class name in kebab case.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    needs: ClassVar[tuple[Signal | type[Fact], ...]] = ()
    caused_by: ClassVar[tuple[str, ...]] = ()
    looks_like: ClassVar[dict[str, str]] = {}  # another pitfall: what it shows instead
    stands_alone: ClassVar[bool] = False  # a fact that holds whatever else is wrong with the run
    device: ClassVar[str] = ""  # it can only happen on such a device, and has no demo for that
    prescriptions: ClassVar[tuple[Prescription, ...]] = ()
    demo: ClassVar[Demo | None] = None
    limits: ClassVar[dict[str, Limit]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = re.sub(
            r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__
        ).lower()
        found = {k: v for k, v in vars(cls).items() if isinstance(v, Limit)}
        cls.limits = found
        for key, value in found.items():
            setattr(cls, key, value.default)

    # -- the card -------------------------------------------------------------------------

    @property
    def card(self) -> str:
        """The docstring as clean Markdown."""
        return inspect.cleandoc(type(self).__doc__ or "")

    @property
    def title(self) -> str:
        """First line of the card."""
        return self.card.split("\n", 1)[0].rstrip(".")

    @property
    def picture(self) -> str:
        """The everyday picture: the text between the title and the first heading."""
        return " ".join(self.card.split("\n## ", 1)[0].split("\n", 1)[-1].split())

    def section(self, heading: str) -> str:
        """The text under one heading of the card; '' when it is missing."""
        parts = re.split(r"^## +(.+)$", self.card, flags=re.M)
        texts: dict[str, str] = dict(zip(parts[1::2], parts[2::2], strict=True))
        return texts.get(heading, "").strip()

    # -- detection ------------------------------------------------------------------------

    @abstractmethod
    def detect(self, run: Run) -> Iterator[Finding]:
        """Yield findings. Pure: no torch, no files, no clock, no randomness."""

    def finding(
        self,
        says: str,
        *evidence: Evidence,
        severity: Severity = "critical",
        confidence: float = 0.9,
        where: str = "",
        source: str = "",
        first_step: int | None = None,
        exact: bool = False,
        prescriptions: tuple[Prescription, ...] | None = None,
    ) -> Finding:
        """A finding of this pitfall, with its prescriptions unless others are given."""
        return Finding(
            pitfall=self.name,
            says=says,
            severity=severity,
            confidence=confidence,
            where=where,
            source=source,
            first_step=first_step,
            evidence=evidence,
            prescriptions=self.prescriptions if prescriptions is None else prescriptions,
            exact=exact,
        )
