"""What a search does not try."""

from __future__ import annotations

import pytest

from penlight.core.finding import Diagnosis, Finding, Prescription
from penlight.trial.parts import no_matter_of_rates

LOOK = Prescription("Look at the data", "wrong rows show there")
SOFTMAX = Prescription("Drop the softmax", "one is enough", edits=("output-activation=none",))
RATE = Prescription("Divide the rate", "steps are too long", edits=("learning-rate",))


@pytest.mark.parametrize(
    ("prescriptions", "exact", "severity", "hopeless"),
    [
        ((LOOK,), False, "critical", True),  # the data are wrong
        ((SOFTMAX,), True, "critical", True),  # proven, and something else
        ((SOFTMAX,), False, "critical", False),
        ((RATE,), True, "critical", False),
        ((RATE,), False, "note", True),  # no harm is seen: only what the note says
    ],
)
def test_where_no_learning_rate_can_help(
    prescriptions: tuple[Prescription, ...], exact: bool, severity: str, hopeless: bool
) -> None:
    found = Finding("x", "", severity=severity, exact=exact, prescriptions=prescriptions)
    assert no_matter_of_rates(Diagnosis((found,))) is hopeless
