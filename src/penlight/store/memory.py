"""A run kept in memory, for watching without a folder."""

from __future__ import annotations

from penlight.core.run import Run
from penlight.store.writer import Sink


class MemorySink(Sink):
    """Takes what a `Writer` takes and keeps it, 20 bytes a point, in the format of a segment."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[bytes] = []

    def _emit(self, block: bytes) -> None:
        self._blocks.append(block)

    def run(self) -> Run:
        """Everything so far, the same as if it had been written to disk and loaded."""
        from penlight.store.reader import parse

        self.flush()
        with self._lock:
            data = b"".join(self._blocks)
        return Run(*parse(data, "memory"))
