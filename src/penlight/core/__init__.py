"""The nouns: frozen values without torch and without input or output."""

from penlight.core.finding import Diagnosis, Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import SIGNALS, Signal

__all__ = [
    "SIGNALS",
    "Demo",
    "Diagnosis",
    "Evidence",
    "Finding",
    "Pitfall",
    "Prescription",
    "Run",
    "Series",
    "Signal",
    "limit",
]
