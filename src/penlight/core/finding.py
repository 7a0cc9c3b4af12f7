"""What a detector says, and what the doctor makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Severity = Literal["critical", "warning", "note"]
Role = Literal["cause", "symptom"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number that convicts: what was measured, where, when, and the limit it crossed.

    `says` is the sentence shown to the user, e.g. "2e-06 of the light reaches net.0".
    """

    signal: str
    says: str
    where: str = ""
    steps: tuple[int, int] | None = None
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Prescription:
    """A change that cures: what to do, why, and when it is the wrong thing.

    `edits` names the edits of `penlight.edits` that make it, to be made together.
    """

    do: str
    because: str = ""
    unless: str = ""
    edits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Excluded:
    """A pitfall that looks like the one found, was looked for and was not seen.

    `says` is a sentence on what it would show instead.
    """

    pitfall: str
    says: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One pitfall seen in one run.

    `confidence` is the probability of being right: the detector's own, on programs like those that
    it was made with; in a diagnosis, on any (`penlight.core.calibration`).
    """

    pitfall: str
    says: str
    severity: Severity = "critical"
    confidence: float = 0.9
    where: str = ""
    source: str = ""
    first_step: int | None = None
    evidence: tuple[Evidence, ...] = ()
    prescriptions: tuple[Prescription, ...] = ()
    exact: bool = False  # a structural proof, not a statistic
    rank: int = 0
    role: Role = "cause"
    because_of: str = ""  # the pitfall this one is a symptom of
    excluded: tuple[Excluded, ...] = ()  # what else it could have been

    def ranked(self, rank: int, role: Role, because_of: str = "") -> Finding:
        """A copy with its place in the diagnosis."""
        return replace(self, rank=rank, role=role, because_of=because_of)

    def to_json(self) -> dict[str, Any]:
        """The finding as the published JSON contract has it."""
        return {
            "pitfall": self.pitfall,
            "rank": self.rank,
            "severity": self.severity,
            "confidence": round(self.confidence, 3),
            "role": self.role,
            "because_of": self.because_of,
            "where": self.where,
            "source": self.source,
            "first_step": self.first_step,
            "says": self.says,
            "evidence": [
                {
                    "signal": e.signal,
                    "where": e.where,
                    "steps": list(e.steps) if e.steps else None,
                    "value": e.value,
                    "limit": e.limit,
                    "says": e.says,
                }
                for e in self.evidence
            ],
            "prescriptions": [p.do for p in self.prescriptions],
            "excluded": [{"pitfall": x.pitfall, "says": x.says} for x in self.excluded],
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The ranked findings of one run. An empty `findings` means healthy."""

    findings: tuple[Finding, ...] = ()
    checked: tuple[str, ...] = ()  # pitfalls that were looked for
    blind: tuple[str, ...] = ()  # what could not be seen, one sentence each
    faults: tuple[str, ...] = ()  # faults of our own
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def causes(self) -> tuple[Finding, ...]:
        """Findings that stand on their own."""
        return tuple(x for x in self.findings if x.role == "cause")

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """Findings that are critical or a warning."""
        return tuple(x for x in self.findings if x.severity != "note")

    @property
    def critical(self) -> bool:
        """Whether a critical finding stands."""
        return any(x.severity == "critical" for x in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The whole diagnosis as the published JSON contract has it."""
        return {
            "schema": 1,
            **self.meta,
            "findings": [x.to_json() for x in self.findings],
            "checked": list(self.checked),
            "blind": list(self.blind),
            "faults": list(self.faults),
        }
