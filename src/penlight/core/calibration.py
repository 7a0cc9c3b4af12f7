"""How sure a finding may be of a program that nobody had seen.

A detector's confidence is how often it was right on the programs that it was developed with. On
programs that were written down before anybody ran Penlight on them the odds were a quarter of that
(`benchmarks/published/calibrate.py`, `docs/decisions/0016-how-sure-is-said.md`).
"""

from __future__ import annotations

ODDS = 4.0  # by which the detectors' odds of being right are divided
CEILING = 0.95  # of 48 findings of unseen programs that were as good as proven 43 were right


def calibrated(confidence: float, odds: float = ODDS) -> float:
    """The probability that a finding of that confidence is right, where the program is new.

    Args:
        confidence: of the detector, from 0 to 1.
        odds: what its odds are divided by.
    """
    return confidence / (confidence + odds * (1 - confidence))
