"""Small trainings under the launcher: what demos, conformance and sweeps run."""

from __future__ import annotations

import json
import math
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from penlight.core.run import Run
from penlight.launch import Target, run_script
from penlight.store.memory import MemorySink

THOROUGH = math.inf  # the clock decides nothing: equal seeds give equal records


@dataclass(frozen=True, slots=True)
class Recorded:
    """One script, run to its end: what was recorded, and the RESULT it printed (NaN: none)."""

    run: Run
    result: float
    exit_code: int
    printed: str


def record(script: Path, seed: int = 0, budget: float = THOROUGH) -> Recorded:
    """Run a script in this process under the probe.

    Args:
        script: a file that takes a seed as its only argument and prints a RESULT line.
        seed: that argument.
        budget: share of the training's time for the probe; the default looks at all it can, and
            its experiments end by their steps, never by the clock.
    """
    sink, printed = MemorySink(), StringIO()
    with redirect_stdout(printed):
        outcome = run_script(Target("path", str(script)), [str(seed)], sink, budget=budget)
    text = printed.getvalue()
    return Recorded(sink.run(), result(text), outcome.exit_code, text)


def result(printed: str) -> float:
    """The number in the last RESULT line; NaN when there is none or it holds null."""
    lines = [line for line in printed.splitlines() if line.startswith("RESULT ")]
    if not lines:
        return math.nan
    value = json.loads(lines[-1].removeprefix("RESULT ")).get("value")
    return math.nan if value is None else float(value)
