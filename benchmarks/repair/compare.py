"""One table of what several ways of looking for a cure achieve at the same budget of runs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

POLICIES = {
    "doctor": "Penlight",
    "random": "edits by lot",
    "rate": "learning rates alone",
}
# Figures from ../shared/notes/repair.md, section 1: who, programs, result, how it was decided.
PUBLISHED = (
    ("AUTOTRAINER (ICSE 2021), Keras", "422 buggy of 701 models", "414 repaired (98%)",
     "its own detectors are silent after one retraining, no control run, no second seed"),
    ("the same, from its table of all models", "those 414", ("41 (9.9%) improved by less than a "
     "point, 9 became worse by more than one"), "accuracies that it has published"),
    ("DeepCNN (IEEE Access 2024)", "36 buggy CNNs", "90% detected, 90% of those repaired",
     "abstract"),
    ("Semantic-based repair (ISSTA 2023), errors of shape and API", "real bugs",
     "93.75% repaired", "abstract"),
    ("HEBO, BOHB and others against random search (ICST 2023)", "real and mutated Keras models",
     "random search comparable, sometimes better", "abstract"),
)  # fmt: skip

TEXT = """\
# Repair: against edits by lot and against learning rates alone

{head}: `python benchmarks/repair/measure.py compare`, after `published` with each of
`--policy doctor`, `random` and `rate`, the latter two with `--as` the first one's rows.

All three try the same edits on the same programs, prove by the same rule and may spend as many
runs as Penlight took (8 at least).

| what is tried | programs | repaired | accepted | made worse | gap closed, mean | runs, median |
|---|---|---|---|---|---|---|
{rows}

| program | Penlight | by lot | rates alone |
|---|---|---|---|
{each}

What others have published, each on programs of its own and by its own criterion, so not comparable
row by row:

| tool | programs | result | how it was decided |
|---|---|---|---|
{others}
"""


def comparison(found: Mapping[str, Sequence[Mapping[str, Any]]], head: str, repaired: float) -> str:
    """The table as Markdown.

    Args:
        found: rows of `measure.py published` by policy.
        head: when, where and on what commit.
        repaired: share of the gap from which on a program counts as repaired.
    """
    names = set.intersection(*({row["name"] for row in rows} for rows in found.values()))
    lines: list[str] = []
    for policy, title in POLICIES.items():
        rows = [row for row in found[policy] if row["name"] in names]
        closed = [min(1.0, max(-1.0, row["closed"])) for row in rows]
        accepted = [row for row in rows if row["accepted"]]
        lines.append(
            f"| {title} | {len(rows)} | {sum(c >= repaired for c in closed)} | {len(accepted)} | "
            f"{sum(row['closed'] < 0 for row in accepted)} | {statistics.mean(closed):.2f} | "
            f"{statistics.median(row['runs'] for row in rows):.1f} |"
        )
    each = []
    for name in sorted(names):
        cells = []
        for policy in POLICIES:
            row = next(row for row in found[policy] if row["name"] == name)
            cells.append(f"{row['closed']:.2f} ({row['edits'] or 'none'})")
        each.append(f"| {name} | {' | '.join(cells)} |")
    others = [f"| {' | '.join(row)} |" for row in PUBLISHED]
    return TEXT.format(
        head=head, rows="\n".join(lines), each="\n".join(each), others="\n".join(others)
    )
