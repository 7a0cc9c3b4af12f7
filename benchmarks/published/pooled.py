"""All blind sets together: how much is told, and how sure and how right it is.

    python benchmarks/published/pooled.py

Reads the table of the sets in docs/accuracy.md and the last table of how sure and how right of
each set that was told with odds divided by three, and prints both as one table each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from scipy.stats import binomtest

HERE = Path(__file__).resolve().parent
ACCURACY = HERE.parents[1] / "docs" / "accuracy.md"
SET = re.compile(
    r"^\| blind .*?(\d+) (?:published )?programs.*?\| (\d+)% \| (\d+)% \| (\d+) of (\d+) \|$"
)
BAND = re.compile(r"^\| (\d+% to \d+%) \| (\d+) \| (\d+)% \| (\d+)% \|")
HEADER = "| said to be sure |"
DIVIDED = range(9, 16)  # the sets that were told with the odds divided by three: decision 16


def sets() -> Iterator[tuple[int, float, float, int, int]]:
    """(programs, share detected, share with the root cause first, false alarms, of)."""
    for line in ACCURACY.read_text().splitlines():
        if match := SET.match(line.replace("[", "")):
            programs, detected, first, alarms, sound = map(int, match.groups())
            yield programs, detected / 100, first / 100, alarms, sound


def rows_of(text: str) -> Iterator[tuple[str, tuple[int, float, int]]]:
    """The band and (findings, how sure on average, how many were right) of each row of a table."""
    for line in text.splitlines():
        if match := BAND.match(line):
            count, sure, right = (int(n) for n in match.groups()[1:])
            yield match[1], (count, sure / 100, round(count * right / 100))


def bands() -> dict[str, list[tuple[int, float, int]]]:
    """By how sure it was said: the rows of all sets."""
    found: dict[str, list[tuple[int, float, int]]] = {}
    for number in DIVIDED:
        text = (HERE / f"RESULTS-blind{number}.md").read_text()
        for band, row in rows_of(text.rpartition(HEADER)[2]):
            found.setdefault(band, []).append(row)
    return found


def main() -> None:
    """Print both tables."""
    rows = list(sets())
    programs = sum(n for n, *_ in rows)
    detected = sum(round(n * share) for n, share, *_ in rows)
    first = sum(round(n * share) for n, _, share, *_ in rows)
    alarms, sound = sum(row[3] for row in rows), sum(row[4] for row in rows)
    print("| programs | detected | root cause first | false alarms |\n| --- | --- | --- | --- |")
    print(f"| {programs} | {detected / programs:.0%} | {first / programs:.0%} ", end="")
    print(f"| {alarms} of {sound} |\n")
    print(f"{HEADER} findings | sure, mean | right | interval |\n| --- | --- | --- | --- | --- |")
    total = right = 0
    expected = 0.0
    for band, counts in sorted(bands().items(), key=lambda item: int(item[0].split("%")[0])):
        n, hits = sum(c for c, _, _ in counts), sum(h for _, _, h in counts)
        sure = sum(c * s for c, s, _ in counts)
        between = binomtest(hits, n).proportion_ci(method="wilson")
        print(f"| {band} | {n} | {sure / n:.0%} | {hits / n:.0%} ", end="")
        print(f"| {between.low:.0%} to {between.high:.0%} |")
        total, right, expected = total + n, right + hits, expected + sure
    print(f"\n{right} of {total} were right where {expected:.0f} should have been.")


if __name__ == "__main__":
    main()
