"""The base of all facts, apart so that several modules can define some."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Fact:
    """Base of all facts; `kind` is the name in the store."""

    kind: ClassVar[str] = ""

    def to_event(self) -> dict[str, Any]:
        """Return the JSON event that `decode` reads back."""
        return {"fact": self.kind, **asdict(self)}
