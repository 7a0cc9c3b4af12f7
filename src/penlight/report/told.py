"""What every report says of a diagnosis, whether on a terminal or on a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from penlight.core.facts import Act
from penlight.core.finding import Diagnosis, Evidence, Finding
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, SIGNALS
from penlight.pitfalls._curves import learnt_nothing, progress
from penlight.report import words as w

ACTS = 4  # told; of more the number is
PARTS = frozenset({"light", "travel", "update_ratio"})  # parts of a whole, whatever their unit


def script_name(run: Run) -> str:
    """The script's file name."""
    return PurePath(run.header.script).name or "The run"


def acts(run: Run) -> list[str]:
    """What Penlight did to this training at the user's wish, a sentence each."""
    said = [w.sentence(act.says) for act in run.all(Act)]
    if len(said) <= ACTS:
        return said
    return [*said[: ACTS - 1], f"And {len(said) - ACTS} more of this kind.", said[-1]]


def trained(run: Run) -> bool:
    """Whether there was anything to judge."""
    return run.steps > 0 or run.header.mode == "check"


def unlearnt(run: Run) -> str:
    """That a whole run ended no better than a guess, in one sentence; '' when that is not known."""
    seen = progress(run) if learnt_nothing(run) else None
    if seen is None or seen.chance is None:
        return ""
    return (
        f"The loss ends at {w.digits(seen.end)}, and the best guess without a look at the input "
        f"has {w.digits(seen.chance)}."
    )


def loss_ends(run: Run) -> list[tuple[str, float, float]]:
    """For each loss its name, its first value and the mean of its last twentieth."""
    several = len(run.sites(LOSS)) > 1
    return [
        (
            f"loss {series.site}" if several else "loss",
            float(series.values[0]),
            float(np.mean(series.tail(0.05))),
        )
        for series in run.every(LOSS)
    ]


def loss_fall(run: Run) -> str:
    """`loss 2.31 → 0.12`."""
    said = [f"{name} {w.digits(a)} → {w.digits(b)}" for name, a, b in loss_ends(run)]
    return ", ".join(said[:3])


def tally(causes: Sequence[Finding], symptoms: dict[str, list[Finding]]) -> str:
    """`1 cause, and 2 symptoms explained by it.`"""
    explained = sum(map(len, symptoms.values()))
    them = "it" if len(causes) == 1 else "them"
    more = f", and {w.count(explained, 'symptom')} explained by {them}" if explained else " found"
    return f"{w.count(len(causes), 'cause')}{more}."


def grouped(diagnosis: Diagnosis) -> tuple[list[Finding], dict[str, list[Finding]]]:
    """Causes worth a block of their own, and the symptoms of each."""
    causes = [x for x in diagnosis.alarms if x.role == "cause"]
    names = {x.pitfall for x in causes}
    symptoms: dict[str, list[Finding]] = {}
    for finding in diagnosis.findings:
        if finding.role != "symptom":
            continue
        if finding.because_of in names:
            symptoms.setdefault(finding.because_of, []).append(finding)
        elif finding.severity != "note":
            causes.append(finding)
    return causes, symptoms


def source(finding: Finding, run: Run) -> str:
    """`train.py:25`, where what the finding speaks of was built; '' when that is not known."""
    module = run.module(finding.where)
    named = (p.source for p in run.parameters if p.name == finding.where)
    return finding.source or (module.source if module is not None else "") or next(named, "")


def where(finding: Finding, run: Run) -> str:
    """`model.0 (Linear), train.py:25`, as much of it as is known."""
    module = run.module(finding.where)
    line = source(finding, run)
    kind = f" ({module.type})" if module is not None and module.type else ""
    return ", ".join(x for x in (f"{finding.where}{kind}", w.place(line) if line else "") if x)


def numbers(evidence: Evidence) -> str:
    """The measured value beside its limit, as one more sentence; '' when nothing was measured."""
    if evidence.value is None:
        return ""
    known = evidence.signal in SIGNALS or evidence.signal in PARTS
    name = evidence.signal.replace("_", " ").capitalize() if known else "Measured"
    said = [f" {name} {measured(evidence.signal, evidence.value)}"]
    if evidence.limit is not None:
        said.append(f"limit {w.number(evidence.limit)}")
    if evidence.steps is not None:
        first, last = evidence.steps
        said.append(f"step {first:,}" if first == last else f"steps {first:,} to {last:,}")
    return ", ".join(said) + "."


def measured(name: str, value: float) -> str:
    """A small part of a whole in words, with the number itself beside it."""
    signal = SIGNALS.get(name)
    is_part = name in PARTS or (signal is not None and signal.unit == "share")
    return (
        f"{w.part(value)} ({w.number(value)})" if is_part and 0 < value < 0.001 else w.number(value)
    )


def light_left(left: float, first: str, last: str) -> str:
    """One sentence on how much light comes from the last layer to the first."""
    first, last = w.short(first), w.short(last)
    if left == 0:
        return f"No light at all reaches {first}."
    if left > 1.5:
        return f"From {last} to {first} the light grows {w.part(left)}."
    if left > 0.995:
        return f"All of the light at {last} reaches {first}."
    beside = f" ({w.number(left)})" if left < 0.001 else ""
    return f"Of the light at {last}, {w.part(left)}{beside} reaches {first}."


def percent(share: float) -> str:
    """`27.3%`."""
    return "less than 0.1%" if share < 0.0005 else f"{100 * share:.1f}%"


def stored_alarms(folder: Path) -> list[str] | None:
    """The alarms of the diagnosis that lies in a run's folder, by rank; None for no diagnosis."""
    found = _stored(folder)
    return found[0] if found is not None else None


def stored_verdict(folder: Path) -> str:
    """The first of the stored alarms; without one `unlearnt` or `healthy`; '' for no diagnosis."""
    found = _stored(folder)
    if found is None:
        return ""
    alarms, outcome = found
    return alarms[0] if alarms else outcome


def _stored(folder: Path) -> tuple[list[str], str] | None:
    """The stored alarms, and what is to be said where there is none."""
    try:
        stored = json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))
        alarms = [str(x["pitfall"]) for x in stored["findings"] if x["severity"] != "note"]
        if not (alarms or stored["steps"]):
            return None
        return alarms, "unlearnt" if stored.get("unlearnt") else "healthy"
    except (OSError, ValueError, LookupError, TypeError):
        return None
