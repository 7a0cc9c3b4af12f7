"""The cure that `penlight fix` has tried, as the page shows it. Its file is untrusted data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penlight.core.run import Series
from penlight.report import words as w

FEWEST = 3  # layers that make a flashlight
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
    patch = fix.get("patch")
    trials = [_trial(x) for x in _listed(fix.get("trials"))]
    found = {
        # What was tried in pairs is drawn; what was only screened is told in a line.
        "trials": [x for x in trials if len(x["values"]) > 1 or x["gone"]],
        "others": [x for x in trials if len(x["values"]) <= 1 and not x["gone"]],
        "patch": _lines(patch) if isinstance(patch, str) else "",
        "proven": _proven(trials),
        "confirmed": fix.get("confirmed") is True,
        "why": _text(fix.get("why")),
        "by_hand": [
            _text(x.get("instruction")) or _text(x.get("do"))
            for x in _listed(fix.get("instructions"))
        ],
        "outcome": _text(fix.get("outcome")) or "outcome",
        "curves": _curves(fix.get("curves")),
        "beams": _beams(fix.get("light")),
    }
    return found if trials or found["patch"] or found["why"] else None


def _proven(trials: list[dict[str, Any]]) -> str:
    """`3 of 3 pairs better`, of the first change that was accepted; '' when none was."""
    accepted = (x for x in trials if x["verdict"] == "accept")
    trial = next((x for x in accepted if x["values"] or x["gone"]), None)
    if trial is None:
        return ""
    if trial["gone"]:
        return f"gone in {w.count(trial['pairs'], 'run')}"
    better = sum((after > before) == trial["higher"] for before, after in trial["values"])
    return f"{better} of {w.count(len(trial['values']), 'pair')} better"


def _curves(value: object) -> dict[str, Series]:
    """How the outcome went before and after the change, where both are known."""
    found = {}
    for name in ("before", "after"):
        points = value.get(name) if isinstance(value, Mapping) else None
        pairs = {
            int(x[0]): float(x[1])
            for x in (points if isinstance(points, list) else [])
            if isinstance(x, list) and len(x) == 2 and None not in map(_number, x) and x[0] >= 0
        }
        steps = sorted(pairs)
        values = np.array([pairs[s] for s in steps], np.float64)
        found[name] = Series(name, "", np.array(steps, np.int64), values)
    return found if all(len(s) > 1 for s in found.values()) else {}


def _beams(value: object) -> list[dict[str, Any]]:
    """The light left at each layer before and after the change, where both make a picture."""
    found = []
    for name, label in (("before", "without the change"), ("after", "with it")):
        points = value.get(name) if isinstance(value, Mapping) else None
        rows = [
            {"name": w.clean(x[0]), "kind": "", "source": "", "left": left}
            for x in (points if isinstance(points, list) else [])
            if isinstance(x, list) and len(x) == 2 and isinstance(x[0], str)
            and (left := _number(x[1])) is not None and left >= 0
        ]  # fmt: skip
        found.append({"label": label, "light": rows})
    return found if all(len(x["light"]) >= FEWEST for x in found) else []


def _listed(value: object) -> list[Mapping[str, Any]]:
    return [x for x in value if isinstance(x, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return w.clean(value) if isinstance(value, str) else ""


def _trial(trial: Mapping[str, Any]) -> dict[str, Any]:
    before, after = _number(trial.get("before")), _number(trial.get("after"))
    raw = trial.get("pair_values")
    pairs = [
        (_number(x[0]), _number(x[1]))
        for x in (raw if isinstance(raw, list) else [])
        if isinstance(x, list) and len(x) == 2
    ]
    verdict = str(trial.get("verdict", ""))
    gone = trial.get("proof") == "absence" and verdict == "accept"
    return {
        "gone": gone,
        "prescription": _text(trial.get("prescription")),
        "pitfall": _text(trial.get("pitfall")),
        "why": _text(trial.get("why")),
        "verdict": verdict if verdict in VERDICTS else "",
        "said": "the fault is gone" if gone else VERDICTS.get(verdict, w.clean(verdict)),
        "pairs": int(_number(trial.get("pairs")) or 0),
        "length": _share(trial.get("length")),
        "outcome": _text(trial.get("outcome")) or "outcome",
        "before": w.digits(before) if before is not None else "?",
        "after": w.digits(after) if after is not None else "?",
        "values": [[a, b] for a, b in pairs if a is not None and b is not None],
        "higher": _higher(verdict, before, after, str(trial.get("outcome", ""))),
    }


def _share(value: object) -> str:
    """How much of a training the pairs went through: "20%"; '' for all of it."""
    share = _number(value)
    return w.part(share) if share is not None and 0 < share < 1 else ""


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
