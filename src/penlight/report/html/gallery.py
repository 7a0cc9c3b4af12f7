"""The gallery: a page for each pitfall, happening and cured, and an index to choose from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penlight import page as pages
from penlight.core.pitfall import Pitfall
from penlight.core.run import Run, Series
from penlight.core.vocabulary import LOSS
from penlight.diagnosis import diagnose
from penlight.report import words as w
from penlight.report.html.packing import means
from penlight.report.html.render import Arm, page, shell, template

LABELS = ("With the pitfall", "With the cure")
WIDE, TALL, EDGE = 240.0, 68.0, 6.0  # of a small curve
POINTS = 80  # of a small curve, at most


@dataclass(frozen=True, slots=True)
class Entry:
    """One pitfall with its two recorded runs, and the RESULT that each of them printed."""

    card: Pitfall
    sick: Run
    cured: Run
    results: tuple[dict[str, Any], dict[str, Any]] = ({}, {})


def write_page(entry: Entry, folder: Path) -> Path:
    """Write one pitfall's page into the gallery's folder."""
    assert entry.card.demo is not None
    arms = [
        Arm(run, diagnose(run), label)
        for run, label in zip((entry.sick, entry.cured), LABELS, strict=True)
    ]
    path = folder / f"{entry.card.name}.html"
    path.write_text(
        page(
            *arms,
            title=entry.card.name,
            back="index.html",
            cure=pages.cure_diff(entry.card.demo),
        ),
        encoding="utf-8",
    )
    return path


def write_index(entries: Sequence[Entry], folder: Path) -> Path:
    """Write the list of all pages; by family, as the catalogue has them."""
    families: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        families.setdefault(entry.card.family, []).append(_tile(entry))
    inside = template("gallery.html").render(
        families=sorted(families.items()), count=len(entries), labels=LABELS
    )
    path = folder / "index.html"
    path.write_text(shell("Gallery", inside), encoding="utf-8")
    return path


def _tile(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.card.name,
        "title": w.sentence(entry.card.title),
        "curves": curves([entry.sick.series(LOSS), entry.cured.series(LOSS)]),
        "result": _result(*entry.results),
    }


def _result(sick: dict[str, Any], cured: dict[str, Any]) -> str:
    """`accuracy 0.23 → 0.98`, as far as the two runs printed it."""
    said = [
        w.digits(float(v)) if isinstance(v, int | float) and math.isfinite(v) else "not finite"
        for v in (sick.get("value"), cured.get("value"))
    ]
    metric = w.clean(str(cured.get("metric") or sick.get("metric") or ""))
    return f"{metric} {said[0]} → {said[1]}" if metric else ""


def curves(found: Sequence[Series]) -> list[str]:
    """Each series as an SVG path, all on one scale; logarithmic when it is wide."""
    thinned = [means(series, POINTS) for series in found]
    values = np.concatenate([s.values for s in thinned])
    if not len(values):
        return ["" for _ in found]
    # One wild point must not flatten all others.
    low, high = float(values.min()), float(np.quantile(values, 0.98))
    log = low > 0 and high > 100 * low
    if log:
        low, high = math.log10(low), math.log10(high)
    last = max((int(s.steps[-1]) for s in thinned if s), default=0) or 1
    return [_path(s, low, high, last, log) for s in thinned]


def _path(series: Series, low: float, high: float, last: int, log: bool) -> str:
    points = []
    for step, value in zip(series.steps.tolist(), series.values.tolist(), strict=True):
        at = math.log10(value) if log else value
        height = (min(at, high) - low) / (high - low) if high > low else 0.5
        x = EDGE + (WIDE - 2 * EDGE) * step / last
        y = TALL - EDGE - (TALL - 2 * EDGE) * height
        points.append(f"{x:.1f} {y:.1f}")
    return "M" + "L".join(points) if points else ""
