"""Reads the experiment that learns from one half of the rows and asks about the other."""

from __future__ import annotations

from dataclasses import dataclass

from penlight.core.run import Run


@dataclass(frozen=True, slots=True)
class Halves:
    """What a copy of the model learnt from some rows, and what of it holds for others."""

    known: float  # share learnt of the rows that were trained on; 0: a guess that does not look
    transferred: float  # the same of the rows that were asked about, at its best
    held: float  # the lowest loss on the rows that were asked about
    guess: float  # the loss there of the best answer that does not look
    steps: int
    rows: int  # that were asked about


def halves(run: Run, name: str = "halves") -> Halves | None:
    """The experiment of that name, None if not made; "wide": with room in narrow layers."""
    exam = run.exam(name)
    if exam is None or not exam.values.get("guess", 0.0) > 0:
        return None
    v = {key: float(value) for key, value in exam.values.items()}
    return Halves(
        known=1 - v["seen"] / v["guess"],
        transferred=1 - v["held"] / v["guess"],
        held=v["held"],
        guess=v["guess"],
        steps=int(v["steps"]),
        rows=int(v["rows"]),
    )
