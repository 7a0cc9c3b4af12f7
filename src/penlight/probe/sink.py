"""What the probe needs of a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class Careful:
    """A sink that never raises: the first fault of the inner one ends the record, told once.

    Args:
        on_fault: called with the error, after which nothing reaches the inner sink any more.
    """

    def __init__(self, inner: Sink, on_fault: Callable[[Exception], None]) -> None:
        self._inner: Sink | None = inner
        self._on_fault = on_fault
        self._listeners: list[Sink] = []

    def listen(self, listener: Sink) -> None:
        """Let one more sink have all that comes from now on."""
        self._listeners.append(listener)

    def ignore(self, listener: Sink) -> None:
        """End what `listen` began."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def event(self, event: dict[str, Any]) -> None:
        """Keep one JSON event."""
        self._try("event", event)

    def points(self, signal: str, site: str, steps: Sequence[int], values: Sequence[float]) -> None:
        """Keep values of one signal at one site."""
        self._try("points", signal, site, steps, values)

    def flush(self) -> None:
        """Put everything where a reader can see it."""
        self._try("flush")

    def close(self) -> None:
        """End the run's record."""
        self._try("close")

    def _try(self, method: str, *args: Any) -> None:
        for listener in tuple(self._listeners):
            try:
                getattr(listener, method)(*args)
            except Exception:  # who listens must not cost the record anything
                self.ignore(listener)
        if self._inner is None:
            return
        try:
            getattr(self._inner, method)(*args)
        except Exception as error:  # the law: our faults end here
            self._inner = None
            self._on_fault(error)
