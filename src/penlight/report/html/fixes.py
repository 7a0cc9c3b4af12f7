"""The cure that `penlight fix` has tried, as the page shows it. Its file is untrusted data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penlight.report import words as w

VERDICTS = {
    "accept": "better",
    "harmful": "worse",
    "no-effect": "no effect at all",
    "no-benefit": "no benefit",
    "undecided": "undecided",
}


def stored(folder: Path) -> dict[str, Any] | None:
    """What `penlight fix` left in a run's folder; None when there is nothing readable."""
    try:
        found = json.loads((folder / "fix.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def shown(fix: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The parts of a fix that the page shows, each of the type it should have.

    Args:
        fix: what `penlight fix --json` writes; a trial may have `pair_values`, a list of
            [before, after], one a pair.
    """
    if fix is None:
        return None
    trials = fix.get("trials")
    patch = fix.get("patch")
    found = {
        "trials": [
            _trial(x)
            for x in (trials if isinstance(trials, list) else [])
            if isinstance(x, Mapping)
        ],
        "patch": _lines(patch) if isinstance(patch, str) else "",
        "confirmed": fix.get("confirmed") is True,
    }
    return found if found["trials"] or found["patch"] else None


def _trial(trial: Mapping[str, Any]) -> dict[str, Any]:
    before, after = _number(trial.get("before")), _number(trial.get("after"))
    raw = trial.get("pair_values")
    pairs = [
        (_number(x[0]), _number(x[1]))
        for x in (raw if isinstance(raw, list) else [])
        if isinstance(x, list) and len(x) == 2
    ]
    verdict = str(trial.get("verdict", ""))
    return {
        "prescription": w.clean(str(trial.get("prescription", ""))),
        "pitfall": w.clean(str(trial.get("pitfall", ""))),
        "verdict": verdict if verdict in VERDICTS else "",
        "said": VERDICTS.get(verdict, w.clean(verdict)),
        "pairs": int(_number(trial.get("pairs")) or 0),
        "outcome": w.clean(str(trial.get("outcome", "outcome"))),
        "before": w.digits(before) if before is not None else "?",
        "after": w.digits(after) if after is not None else "?",
        "values": [[a, b] for a, b in pairs if a is not None and b is not None],
        "higher": _higher(verdict, before, after, str(trial.get("outcome", ""))),
    }


def _higher(verdict: str, before: float | None, after: float | None, outcome: str) -> bool:
    """Whether more of the outcome is better: an accepted change made it better, whatever it is."""
    if before is None or after is None or verdict not in ("accept", "harmful"):
        return "accuracy" in outcome
    return (after > before) == (verdict == "accept")


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _lines(text: str) -> str:
    return "\n".join(w.clean(line.replace("\t", "    ")) for line in text.splitlines())
