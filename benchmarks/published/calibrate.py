"""By how much the detectors are too sure of programs that nobody had seen.

    python benchmarks/published/calibrate.py

Reads the tables of how sure and how right of all blind results. Up to blind 8 their numbers are
the detectors' own; those of blind 9 to 15 were told with the odds divided by three and are divided
back here, but for the highest band, which holds what was told as proven, undivided. Prints, for
each divisor of the odds, how many findings should have been right and how likely the counts are
under it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pooled import HERE, bands, rows_of

from penlight.core.calibration import calibrated

RAW = ("2-second", "3-second", "4", "5", "6", "7", "8")
DIVISORS = (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8)
DIVIDED = 3  # what the odds were divided by in blind 9 to 15
PROVEN = "95% to 100%"


def own() -> Iterator[tuple[int, float, int]]:
    """(findings, how sure on average, how many were right) of each row of the older tables."""
    for name in RAW:
        for _, row in rows_of((HERE / f"RESULTS-blind{name}.md").read_text()):
            yield row


def divided() -> Iterator[tuple[int, float, int]]:
    """The same of the newer tables, with the odds that the detectors themselves had given."""
    for band, rows in bands().items():
        if band != PROVEN:
            for n, sure, right in rows:
                yield n, calibrated(sure, 1 / DIVIDED), right


def main() -> None:
    """Print the table."""
    rows = [*own(), *divided()]
    total, right = sum(n for n, _, _ in rows), sum(hits for _, _, hits in rows)
    print(f"{right} of {total} findings were right")
    print("| odds divided by | should have been right | log-likelihood |")
    print("| --- | --- | --- |")
    for divisor in DIVISORS:
        expected = sum(n * calibrated(sure, divisor) for n, sure, _ in rows)
        likely = sum(
            hits * math.log(calibrated(sure, divisor))
            + (n - hits) * math.log(1 - calibrated(sure, divisor))
            for n, sure, hits in rows
        )
        print(f"| {divisor:g} | {expected:.1f} | {likely:.1f} |")


if __name__ == "__main__":
    main()
