"""Evaluation passes as one place sees them, between two training passes.

A script often judges its training set and its held-out set through the same function. The rows
tell them apart: those of the one were trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from penlight.probe.rows import Rows
from penlight.signals.predictions import Tally

FAR = 0.5  # apart in their shares of known rows: two sets of data, not one with a leak


@dataclass
class Part:
    """What was seen of one set of data."""

    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    known: int = 0  # of these, rows that were also trained on
    own: list[float] = field(default_factory=list)  # per-sample losses

    @property
    def share(self) -> float | None:
        """Share of rows that were also trained on; None: nobody looked."""
        return self.known / self.rows if self.rows else None


@dataclass
class Passes:
    """Batches judged at one place, those of mostly known rows apart from the others."""

    step: int
    loose: int = 0  # dropout and batch-norm modules in training mode meanwhile
    samples: int = 0
    parts: tuple[Part, Part] = field(default_factory=lambda: (Part(), Part()))
    order: list[tuple[int, list[float]]] = field(default_factory=list)
    mark: tuple[int, int] | None = None

    def take(self, tally: Tally, own: list[float], rows: Rows) -> None:
        """Add one batch.

        Args:
            tally: its counts.
            own: its per-sample losses, [] for none.
            rows: knows how many of its rows were trained on.
        """
        count, known, self.mark = rows.since(self.mark)
        index = int(2 * known >= count > 0)
        part = self.parts[index]
        part.rows += count
        part.known += known
        part.tally.add(tally)
        self.samples += tally.samples
        if own:
            self.order.append((index, own))

    def kept(self) -> int:
        """Per-sample losses held."""
        return sum(len(own) for _, own in self.order)

    def sets(self) -> tuple[Part, ...]:
        """The data that was judged: two parts when some batches were known and others new."""
        new, known = self.parts
        if new.rows and known.rows and known.known / known.rows - new.known / new.rows > FAR:
            for index, part in enumerate(self.parts):
                part.own = [v for i, own in self.order if i == index for v in own]
            return self.parts
        whole = Part(rows=new.rows + known.rows, known=new.known + known.known)
        whole.tally.add(new.tally)
        whole.tally.add(known.tally)
        whole.own = [v for _, own in self.order for v in own]
        return (whole,)
