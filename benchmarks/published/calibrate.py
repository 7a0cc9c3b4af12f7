"""By how much the detectors are too sure of programs that nobody had seen.

    python benchmarks/published/calibrate.py

Reads the tables of how sure and how right from those blind results whose numbers are the
detectors' own (from blind 9 on they are what `penlight.core.calibration` makes of them), and
prints, for each divisor of the odds, how many findings should have been right and how likely the
counts are under it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from penlight.core.calibration import calibrated

RAW = ("2-second", "3-second", "4", "5", "6", "7", "8")
ROW = re.compile(r"\| \d+% to \d+% \| (\d+) \| (\d+)% \| (\d+)% \|")
DIVISORS = (1, 1.5, 2, 2.5, 3, 3.5, 4, 5)


def bands() -> list[tuple[int, float, int]]:
    """(findings, how sure on average, how many were right) of each row of each table."""
    found = []
    for name in RAW:
        text = (Path(__file__).parent / f"RESULTS-blind{name}.md").read_text()
        for count, sure, right in ROW.findall(text):
            n = int(count)
            found.append((n, int(sure) / 100, round(n * int(right) / 100)))
    return found


def main() -> None:
    """Print the table."""
    rows = bands()
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
