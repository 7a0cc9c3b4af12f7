"""What the probe needs of a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Sink(Protocol):
    """Takes events and points; must not raise and must be quick."""

    def event(self, event: dict[str, Any]) -> None:
        """Keep one JSON event."""

    def points(self, signal: str, site: str, steps: Sequence[int], values: Sequence[float]) -> None:
        """Keep values of one signal at one site."""

    def flush(self) -> None:
        """Put everything where a reader can see it."""

    def close(self) -> None:
        """End the run's record."""
