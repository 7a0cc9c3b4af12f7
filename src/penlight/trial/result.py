"""What comes out of a fix: trials, texts, and how machines read them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from penlight.core.finding import Diagnosis
from penlight.core.run import Run
from penlight.edits.source import NO_NEWLINE
from penlight.trial.decide import Verdict
from penlight.trial.parts import Refusal


@dataclass(frozen=True)
class Trial:
    """One prescription that was tried.

    Args:
        before, after: the mean outcome of the pairs, without and with it.
        pair_values: the same for each pair.
        length: share of the whole training that the pairs went through.
        whole: the two outcomes of whole runs, with the script's own random numbers.
        why: one sentence where the verdict alone does not say it.
        added: what sets it apart from others that were tried.
        proof: "outcome", or "absence" where the fault made the outcomes look better than they
            are: `pairs` repaired runs were then searched for it in vain.
    """

    prescription: str
    pitfall: str
    edits: tuple[str, ...]
    verdict: Verdict
    pairs: int
    outcome: str
    before: float | None
    after: float | None
    error_rate: float | None = None
    pair_values: tuple[tuple[float | None, float | None], ...] = ()
    why: str = ""
    added: str = ""
    length: float = 1.0
    whole: tuple[float | None, float | None] = (None, None)
    proof: Literal["outcome", "absence"] = "outcome"

    def to_json(self) -> dict[str, Any]:
        return {
            "prescription": self.prescription,
            "pitfall": self.pitfall,
            "edits": list(self.edits),
            "verdict": self.verdict,
            "pairs": self.pairs,
            "outcome": self.outcome,
            "before": self.before,
            "after": self.after,
            "error_rate": self.error_rate,
            "pair_values": [list(pair) for pair in self.pair_values],
            "why": self.why,
            "added": self.added,
            "length": round(self.length, 4),
            "whole": list(self.whole),
            "proof": self.proof,
        }


@dataclass(frozen=True)
class Fix:
    """What came of it.

    Args:
        diagnosis: of the script as it is.
        run: the recorded run of it.
        script: the script, relative to `root`.
        root: the folder that the patch applies to.
        texts: (before, after) of every file that the patch changes.
        trials: what was tried, the confirmed one first.
        refusals: prescriptions that could not be made in the source.
        after: the diagnosis of the patched script.
        curves: outcomes over the steps, "before" and "after".
        light: what is left of it at each layer in the same two runs, likewise.
        cost: runs of the script as it is that the whole search took.
        spent: the same by stage: diagnosis, screening, rates, leave-one-out, confirmation.
        why: one sentence about why there is no patch; '' when there is one.
        error: how the script as it is ended, when it crashed.
    """

    diagnosis: Diagnosis
    run: Run
    script: str
    root: Path
    accepted: bool = False
    confirmed: bool = False
    patch: str = ""
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    after: Diagnosis | None = None
    outcome: str = ""
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    light: dict[str, dict[str, float]] = field(default_factory=dict)
    cost: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    arms: int = 0
    why: str = ""
    in_memory: bool = False  # of objects in this process: there is no file and no patch

    @property
    def healthy(self) -> bool:
        return not self.diagnosis.alarms

    def to_json(self) -> dict[str, Any]:
        """The published contract."""
        return {
            "schema": 1,
            "diagnosis": self.diagnosis.to_json(),
            "accepted": self.accepted,
            "trials": [trial.to_json() for trial in self.trials],
            "patch": self.patch,
            "confirmed": self.confirmed,
            "why": self.why,
            "instructions": [
                {"pitfall": r.pitfall, "do": r.do, "why": r.why, "instruction": r.instruction}
                for r in self.refusals
            ],
            "after": self.after.to_json() if self.after is not None else None,
            "outcome": self.outcome,
            "curves": {name: [list(p) for p in points] for name, points in self.curves.items()},
            "light": {name: [list(x) for x in left.items()] for name, left in self.light.items()},
            "cost": {
                "runs": round(self.cost, 2),
                "arms": self.arms,
                "seconds": round(self.seconds, 1),
                "by": {stage: round(runs, 2) for stage, runs in self.spent.items()},
            },
        }


def patch(texts: Mapping[str, tuple[str, str]]) -> str:
    """A unified diff of (before, after) by file, for `patch -p1`."""
    parts: list[str] = []
    for file, (before, after) in sorted(texts.items()):
        lines = difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True),
            f"a/{file}", f"b/{file}",
        )  # fmt: skip
        parts += [x if x.endswith("\n") else f"{x}\n{NO_NEWLINE}\n" for x in lines]
    return "".join(parts)
