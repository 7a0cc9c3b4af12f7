"""From a finding to its card on the page: words, and the very numbers that convicted it."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import Any

import numpy as np
from markdown_it import MarkdownIt
from markupsafe import Markup

from penlight.catalogue import catalogue
from penlight.core.facts import Graph, Op
from penlight.core.finding import Diagnosis, Evidence, Finding
from penlight.core.pitfall import HEADINGS, Pitfall
from penlight.core.run import Run, Series
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import loss_curve
from penlight.report import told
from penlight.report import words as w
from penlight.report.html.packing import Pack, thin
from penlight.report.html.pictures import losses
from penlight.report.html.samples import samples

SPANS = 120  # of steps in a small picture
OPS = 7  # operations drawn in front of a loss
CLASSES = 12  # of a label histogram
ICONS = {"critical": "stop", "warning": "caution", "note": "note"}

# A plug-in's card may hold anything: no HTML, no picture to fetch.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).disable(
    ["image", "html_inline", "html_block"]
)


def cards(run: Run, diagnosis: Diagnosis, pack: Pack) -> list[dict[str, Any]]:
    """All causes that are alarms, each with its symptoms, worst first."""
    causes, symptoms = told.grouped(diagnosis)
    return [
        {
            **card(x, run, pack),
            "symptoms": [card(s, run, pack) for s in symptoms.get(x.pitfall, [])],
        }
        for x in causes
    ]


def notes(run: Run, diagnosis: Diagnosis, pack: Pack) -> list[dict[str, Any]]:
    """What is worth knowing but no alarm."""
    found = (x for x in diagnosis.findings if x.severity == "note" and x.role == "cause")
    return [card(x, run, pack) for x in found]


def card(finding: Finding, run: Run, pack: Pack) -> dict[str, Any]:
    """One finding in words and pictures."""
    known = catalogue().get(finding.pitfall)
    return {
        "name": w.clean(finding.pitfall),
        "title": w.sentence(known.title) if known else "",
        "severity": finding.severity,
        "icon": ICONS[finding.severity],
        "sure": w.sure(finding),
        "since": w.since(finding.first_step),
        "where": w.clean(told.where(finding, run)),
        "layer": w.clean(finding.where),
        "says": w.clean(w.sentence(finding.says)),
        "because_of": w.clean(finding.because_of),
        "evidence": _exhibits(finding.evidence, run, pack),
        "remedies": [
            {
                "do": inline(w.sentence(p.do)),
                "because": inline(_whole("Because ", p.because)),
                "unless": inline(_whole("Not if ", p.unless)),
            }
            for p in finding.prescriptions
        ],
        "samples": samples(finding.pitfall, run),
        "excluded": [(w.clean(x.pitfall), inline(w.sentence(x.says))) for x in finding.excluded],
        "card": _card(known) if known else None,
        "demo": bool(known and known.demo),
    }


def inline(text: str) -> Markup:
    """Markdown of one line as HTML."""
    return Markup(_MARKDOWN.renderInline(w.clean(text)))


def _whole(start: str, text: str) -> str:
    """Authors write a whole sentence, or the half of one that follows "because" or "unless"."""
    if not text:
        return ""
    return w.sentence(text if text[0].isupper() else f"{start}{text}")


def _card(known: Pitfall) -> dict[str, Any]:
    sections = [(h, Markup(_MARKDOWN.render(known.section(h)))) for h in HEADINGS]
    return {
        "picture": inline(known.picture),
        "sections": [(h, text) for h, text in sections if text],
    }


# -- evidence -------------------------------------------------------------------------------


def _exhibits(evidence: tuple[Evidence, ...], run: Run, pack: Pack) -> list[dict[str, Any]]:
    """Each piece of evidence with the picture that fits it best; no picture twice."""
    found = []
    shown: set[str] = set()
    for item in evidence:
        exhibit: dict[str, Any] = {
            "says": w.clean(w.sentence(w.capital(item.says))),
            "numbers": w.clean(told.numbers(item)),
            "ops": [],
            "classes": [],
            "curve": None,
            "gauge": _gauge(item),
        }
        if item.signal == "graph" and "ops" not in shown:
            exhibit["ops"] = _ops(item, run)
        elif item.signal in ("predictions", "targets") and "class" in item.says.lower():
            exhibit["classes"] = _classes(item, run) if "classes" not in shown else []
        elif f"{item.signal} {item.where}" not in shown:
            exhibit["curve"] = _curve(item, run, pack)
            shown.add(f"{item.signal} {item.where}")
        shown.update(key for key in ("ops", "classes") if exhibit[key])
        found.append(exhibit)
    return found


def _curve(evidence: Evidence, run: Run, pack: Pack) -> dict[str, Any] | None:
    """The series behind the evidence, with the limit where both are in the same unit."""
    series = _series(evidence, run)
    if len(series) < 2 or not series.finite:
        return None
    limit = evidence.limit if _speaks_of(evidence, series) else None
    values = series.finite.values
    positive = values[values > 0]
    wide = len(positive) and math.log10(positive.max() / positive.min()) > 1.5
    far = limit and len(positive) and abs(math.log10(limit / np.median(positive))) > 1.5
    return {
        "label": w.clean(f"{series.signal.replace('_', ' ')} {series.site}".strip()),
        "series": pack.add(thin(series, SPANS)),
        "limit": limit,
        "span": list(evidence.steps) if evidence.steps else None,
        "log": bool(len(positive) == len(values) and (wide or far)),
    }


def _series(evidence: Evidence, run: Run) -> Series:
    where = evidence.where
    if evidence.signal == "light":
        return run.light.get(where, Series("light", where, np.zeros(0, np.int64), np.zeros(0)))
    if evidence.signal == "predictions":
        passes = [p for p in run.evaluations(held_out=False) if not where or p.objective == where]
        return losses(p for p in passes if p.samples == passes[-1].samples)
    if evidence.signal in (LOSS.name, OBJECTIVE_LOSS.name) and not where:
        return loss_curve(run)
    found = run.series(evidence.signal, where or None)
    if not found:
        own = [p.name for p in run.parameters if p.module == where and len(p.shape) > 1]
        found = next((s for name in own if (s := run.series(evidence.signal, name))), found)
    return found


def _speaks_of(evidence: Evidence, series: Series) -> bool:
    """Whether the value is one of the series', so that its limit can be drawn beside them."""
    if evidence.value is None or evidence.limit is None or not math.isfinite(evidence.limit):
        return False
    part = series.finite if evidence.steps is None else series.finite.between(*evidence.steps)
    if not part:
        return False
    slack = 1e-3 * abs(evidence.value) + 1e-12
    return bool(part.values.min() - slack <= evidence.value <= part.values.max() + slack)


def _gauge(evidence: Evidence) -> dict[str, Any] | None:
    """Value and limit as places from 0 to 100 on one line, logarithmic where they are far apart."""
    value, limit = evidence.value, evidence.limit
    if value is None or limit is None or not (math.isfinite(value) and math.isfinite(limit)):
        return None
    if value > 0 < limit and abs(math.log10(value / limit)) > 1:
        a, b = math.log10(value), math.log10(limit)
    else:
        a, b = value, limit
    if a == b:
        return None
    low, high = min(a, b), max(a, b)
    margin = 0.25 * (high - low)
    place = [round(100 * (x - low + margin) / (high - low + 2 * margin), 2) for x in (a, b)]
    return {"value": place[0], "limit": place[1], "said": w.number(value), "bound": w.number(limit)}


def _ops(evidence: Evidence, run: Run) -> list[dict[str, Any]]:
    """The operations that lead into the loss, in order of execution; those it speaks of marked."""
    graph: Graph | None = run.graphs[0] if run.graphs else None
    if graph is None or not graph.ops:
        return []
    chain: list[Op] = []
    seen: set[int] = set()
    at = 0
    while len(chain) < OPS and at not in seen:
        seen.add(at)
        op = graph.ops[at]
        chain.append(op)
        ahead = [i for i in op.inputs if not graph.ops[i].parameter]
        if not ahead:
            break
        at = ahead[0]
    said = evidence.says.lower().replace("_", "").replace("-", "").replace(" ", "")
    return [
        {
            "name": w.clean(op.name),
            "shape": " × ".join(map(str, op.shape)),
            "named": _plain(op.name) in said and len(_plain(op.name)) > 3,
        }
        for op in reversed(chain)
    ]


def _plain(name: str) -> str:
    return name.lower().replace("_", "").rstrip("0123456789")


def _classes(evidence: Evidence, run: Run) -> list[dict[str, Any]]:
    """How often each class occurs and how often it is predicted, as shares of the most frequent."""
    passes = [p for p in run.evaluations(held_out=False) if p.labels and p.predicted]
    passes = [p for p in passes if evidence.steps is None or p.step <= evidence.steps[1]] or passes
    if not passes or len(passes[-1].labels) > CLASSES:
        return []
    labels, predicted = passes[-1].labels, passes[-1].predicted
    most = max(*labels, *predicted, 1)
    rows = zip_longest(labels, predicted[: len(labels)], fillvalue=0)
    return [
        {
            "name": i,
            "labels": a,
            "predicted": b,
            "a": round(100 * max(a, 0) / most, 1),
            "b": round(100 * max(b, 0) / most, 1),
        }
        for i, (a, b) in enumerate(rows)
    ]
