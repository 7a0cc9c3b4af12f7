"""From findings to ranked root causes.

Order of trust: structural proofs before statistics, causes before symptoms, earlier before later,
severe before mild, surer before less sure. One root cause does not bury the user under its
symptoms: a finding whose pitfall lists another found pitfall under `caused_by` (directly or
through others) is kept, but as a symptom of it. And where a critical fault is proven, what
statistics say about the failing run is a consequence of it until the contrary is shown; only
pitfalls marked `stands_alone`, facts such as the scale of the inputs, stand beside a proof.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from penlight.catalogue import catalogue
from penlight.core.calibration import CEILING, calibrated
from penlight.core.facts import Act, Blind, Fault, Later, NonFinite, Predictions
from penlight.core.finding import Diagnosis, Evidence, Excluded, Finding
from penlight.core.later import earlier, later
from penlight.core.pitfall import Pitfall
from penlight.core.run import Run
from penlight.core.vocabulary import ACT_RMS, Signal
from penlight.pitfalls._curves import learnt_nothing

SEVERITIES = {"critical": 0, "warning": 1, "note": 2}
SHORT = 20  # steps: under this, silence excludes nothing that takes time to show


def diagnose(run: Run, pitfalls: Iterable[Pitfall] | None = None) -> Diagnosis:
    """Run every detector over a run and rank what they say.

    A detector that raises is skipped and told under `faults`; it never hides the others.
    """
    known = {p.name: p for p in pitfalls} if pitfalls is not None else catalogue()
    faults = [f"{x.part} was switched off at step {x.step}: {x.error}" for x in run.all(Fault)]
    findings, silent, failed = detected(known, earlier(run))
    second, mark = later(run), run.last(Later)
    if second is not None and mark is not None:
        others, quiet, broken = detected(known, second)
        names = {x.pitfall for x in findings}
        findings += [of_later(x, mark) for x in others if x.pitfall not in names]
        silent = silent & quiet
        failed += broken
    faults += failed
    end = run.end
    acts = [{"step": x.step, "what": x.what, "says": x.says} for x in run.all(Act)]
    ranked = tuple(told_apart(told(x), known, silent) for x in rank(findings, known))
    alarmed = any(x.severity != "note" for x in ranked)
    return Diagnosis(
        findings=ranked,
        checked=tuple(known),
        blind=tuple(f"{b.what}: {b.why}" for b in run.all(Blind)),
        faults=tuple(faults),
        meta={
            "penlight": run.header.penlight,
            "script": run.header.script,
            "steps": run.steps,
            "seconds": round(end.seconds, 3) if end else None,
            "script_exit": end.script_exit if end else None,
            "cost_seconds": round(end.cost, 3) if end else None,
            **({"unlearnt": True} if not alarmed and learnt_nothing(run) else {}),
            **({"acts": acts} if acts else {}),
        },
    )


def detected(known: dict[str, Pitfall], run: Run) -> tuple[list[Finding], set[str], list[str]]:
    """What the detectors find, the names of those that looked and found nothing, and the faults
    of those that failed."""
    findings: list[Finding] = []
    silent: set[str] = set()
    failed: list[str] = []
    for name, pitfall in known.items():
        try:
            found = list(pitfall.detect(run))
        except Exception as error:  # a broken detector must not cost the user the rest
            failed.append(f"the {name} detector failed: {type(error).__name__}: {error}")
            continue
        findings += found
        if not found and visible(pitfall, run):
            silent.add(name)
    return findings, silent, failed


def of_later(finding: Finding, mark: Later) -> Finding:
    """A finding about a training that began after another one, by the steps of the whole run."""
    step = finding.first_step
    which = Evidence(
        "training",
        f"about the training that begins at step {mark.since}; steps are counted from there",
    )
    return replace(
        finding,
        first_step=None if step is None else step + mark.since,
        evidence=(which, *finding.evidence),
    )


def told(finding: Finding) -> Finding:
    """The finding as sure as it may be of a program that is new to its detector."""
    own = finding.confidence if finding.exact else calibrated(finding.confidence)
    return replace(finding, confidence=min(own, CEILING))


def told_apart(finding: Finding, known: dict[str, Pitfall], silent: set[str]) -> Finding:
    """The finding with those of its look-alikes that were looked for and not seen.

    Args:
        finding: of a pitfall, known or not.
        known: all pitfalls by name.
        silent: the names of those that were visible and found nothing.
    """
    alike = known[finding.pitfall].looks_like if finding.pitfall in known else {}
    excluded = tuple(Excluded(name, says) for name, says in alike.items() if name in silent)
    return replace(finding, excluded=excluded)


def visible(pitfall: Pitfall, run: Run) -> bool:
    """Whether the run holds what the detector reads, so that its silence means something."""
    if run.steps < SHORT:
        return False
    signals = [x for x in pitfall.needs if isinstance(x, Signal)]
    # No ReLU, no dead share: that is an answer. No size of any output is none.
    inside = [ACT_RMS if x.per == "activation" else x for x in signals]
    modules = {x for x in inside if x.per == "module"}
    others = [x for x in inside if x.per != "module"]
    if not all(run.sites(x) for x in modules) or (others and not any(map(run.sites, others))):
        return False
    # That no NaN was born is news as well. Predictions are asked about held-out data.
    facts = {x for x in pitfall.needs if not isinstance(x, Signal)} - {NonFinite}
    if Predictions in facts and not run.evaluations(held_out=False):
        return False
    return all(run.all(x) for x in facts)


def rank(findings: Iterable[Finding], known: dict[str, Pitfall]) -> list[Finding]:
    """Order findings, one a pitfall, and mark those that another one explains.

    Several findings of one pitfall are merged into the worst of them.
    """
    best: dict[str, Finding] = {}
    for finding in sorted(findings, key=_trust):
        best.setdefault(finding.pitfall, finding)
    explained = {name: cause for name in best if (cause := _root(name, best, known)) is not None}
    proofs = (x for x in best.values() if x.exact and x.severity == "critical")
    proof = min((x for x in proofs if x.pitfall not in explained), key=_trust, default=None)
    if proof is not None:
        for name, finding in best.items():
            stands = name not in known or known[name].stands_alone
            if not (finding.exact or stands):
                explained.setdefault(name, proof.pitfall)
    causes = [x for x in best.values() if x.pitfall not in explained]
    symptoms = [x for x in best.values() if x.pitfall in explained]
    ordered = sorted(causes, key=_trust) + sorted(symptoms, key=_trust)
    return [
        finding.ranked(
            place,
            "symptom" if finding.pitfall in explained else "cause",
            explained.get(finding.pitfall, ""),
        )
        for place, finding in enumerate(ordered, start=1)
    ]


def _trust(finding: Finding) -> tuple[object, ...]:
    return (
        SEVERITIES[finding.severity],
        not finding.exact,
        -finding.confidence,
        finding.first_step if finding.first_step is not None else 1 << 60,
        finding.pitfall,
    )


def _root(name: str, found: dict[str, Finding], known: dict[str, Pitfall]) -> str | None:
    """The found pitfall at the far end of the `caused_by` chain of `name`, or None.

    A note never explains an alarm. Of pitfalls that cause each other the more trusted one stands.
    """
    seen = {name}
    current, cause = name, None
    while True:
        candidates = [
            c
            for c in (known[current].caused_by if current in known else ())
            if c in found
            and c not in seen
            and SEVERITIES[found[c].severity] <= max(1, SEVERITIES[found[name].severity])
            and not (_causes(current, c, known) and _trust(found[c]) > _trust(found[current]))
        ]
        if not candidates:
            return cause
        cause = current = min(candidates, key=lambda c: _trust(found[c]))
        seen.add(cause)


def _causes(name: str, other: str, known: dict[str, Pitfall]) -> bool:
    """Whether `name` stands among the causes of `other`."""
    return other in known and name in known[other].caused_by
