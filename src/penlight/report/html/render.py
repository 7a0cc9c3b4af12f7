"""One renderer for the file, the live page, the gallery and notebooks."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from penlight.catalogue import catalogue
from penlight.core.finding import Diagnosis
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY
from penlight.report import told
from penlight.report import words as w
from penlight.report.html import findings, fixes
from penlight.report.html.packing import Pack, thin
from penlight.report.html.pictures import BAND, Pictures

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("base.js", "flashlight.js", "heat.js", "curves.js", "small.js", "page.js")
SPANS = 150  # of the outcome's curves
FEW_STEPS = 20  # under this, what takes time to show cannot be ruled out
SIGNAL_FAMILY = "signal propagation"
DARK = 0.01  # light at the first layer under which it is worth a number at the top


@dataclass(frozen=True, slots=True)
class Arm:
    """One run on a page, and what to call it when there are two."""

    run: Run
    diagnosis: Diagnosis
    label: str = ""


def page(
    *arms: Arm,
    fix: Mapping[str, Any] | None = None,
    folder: str = "",
    back: str = "",
    title: str = "",
    cure: str = "",
) -> str:
    """The whole page: one run, or two beside each other on the same scales.

    Args:
        arms: one or two runs; the first one is what the page is about.
        fix: what `penlight fix --json` wrote for the first run.
        folder: where the first run is kept.
        back: a link to the list that the page belongs to.
        title: what the page is called; the script's name unless given.
        cure: a unified diff to show when there is no `fix`.
    """
    inside, data = content(*arms, fix=fix, folder=folder, cure=cure)
    return shell(title or told.script_name(arms[0].run), inside, data, back=back)


def frame(document: str) -> str:
    """A page as part of another one, in a sandbox: for notebooks."""
    return (
        '<iframe title="Penlight report" sandbox="allow-scripts" width="100%" height="960" '
        f'style="border: 0" srcdoc="{escape(document)}"></iframe>'
    )


def shell(
    title: str,
    inside: str,
    data: Mapping[str, Any] | None = None,
    *,
    live: str = "",
    back: str = "",
) -> str:
    """A whole HTML document around what `content` or a list made.

    Args:
        title: of the window.
        inside: HTML for the main part.
        data: the numbers behind its pictures; None where there are none.
        live: the address of the stream that tells of changes; empty for a page that stands still.
        back: a link to the list that the page belongs to.
    """
    style, script = _static("page.css"), ""
    if data is not None:
        style = _static("uplot/uPlot.min.css") + style
        script = _static("uplot/uPlot.iife.min.js")
    script += _scripts()
    connect = "connect-src 'self'; " if live else ""
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; {connect}"
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return template("shell.html").render(
        title=w.clean(title),
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        inside=Markup(inside),
        data=embedded(data or {}),
        live=live,
        back=back,
    )  # fmt: skip


def content(
    *arms: Arm, fix: Mapping[str, Any] | None = None, folder: str = "", cure: str = ""
) -> tuple[Markup, dict[str, Any]]:
    """What stands between header and footer, and the numbers behind its pictures."""
    pack = Pack()
    first = arms[0]
    cured = fixes.shown(fix)
    run, diagnosis = first.run, first.diagnosis
    causes = findings.cards(run, diagnosis, pack)
    listed = findings.notes(run, diagnosis, pack)
    pictures = [Pictures(a.run, a.diagnosis, pack).to_json() for a in arms]
    for arm, picture in zip(arms, pictures, strict=True):
        picture["label"] = w.clean(arm.label)
    has = {
        key: any(p[key] for p in pictures)
        for key in ("light", "loss", "updates", "dead", "saturated", "logits", "attention")
    }
    has["valid"] = any(p["loss"] and p["loss"]["valid"] for p in pictures)
    curves = cured["curves"] if cured else {}
    data = {
        "cure": {name: pack.add(thin(series, SPANS)) for name, series in curves.items()},
        "beams": cured["beams"] if cured else [],
        "arms": pictures,
        "band": BAND,
        "trials": [
            {"pairs": x["values"], "higher": x["higher"]} for x in (cured or {}).get("trials", [])
        ],
        "focus": causes[0]["layer"] if causes else "",
        **pack.to_json(),
    }
    inside = template("run.html").render(
        arms=[_summary(a) for a in arms],
        state=_state(first),
        causes=causes,
        notes=listed,
        has=has,
        fix=cured,
        cure=cure,
        light_first=_light_first(diagnosis),
        checked=_checked(diagnosis),
        blind=[w.clean(w.sentence(x)) for x in diagnosis.blind],
        faults=[w.clean(w.sentence(x)) for x in diagnosis.faults],
        facts=_facts(first, folder),
        band=BAND,
        w=w,
    )  # fmt: skip
    return Markup(inside), data


def embedded(data: Mapping[str, Any]) -> Markup:
    """Data as JSON that can stand inside a script element: no `<` can end it."""
    text = json.dumps(_strict(data), separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _strict(value: Any) -> Any:
    """Without numbers that JSON has no form for: they become null."""
    if isinstance(value, Mapping):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


# -- words ----------------------------------------------------------------------------------


def _state(arm: Arm) -> str:
    if arm.diagnosis.alarms:
        return "sick"
    if not told.trained(arm.run):
        return "unseen"
    return "unlearnt" if told.unlearnt(arm.run) else "healthy"


def _light_first(diagnosis: Diagnosis) -> bool:
    """Whether the flashlight is the picture that proves the verdict."""
    causes, _ = told.grouped(diagnosis)
    card = catalogue().get(causes[0].pitfall) if causes else None
    return card is not None and card.family == SIGNAL_FAMILY


def _summary(arm: Arm) -> dict[str, Any]:
    run, diagnosis = arm.run, arm.diagnosis
    causes, symptoms = told.grouped(diagnosis)
    end = run.end
    trouble = ""
    if end is not None and end.error:
        trouble = f"The script stopped with an error: {w.sentence(end.error)}"
    elif end is not None and end.script_exit:
        trouble = f"The script ended with exit code {end.script_exit}."
    card = catalogue().get(causes[0].pitfall) if causes else None
    light = run.light_now
    names = list(light)
    return {
        "label": w.clean(arm.label),
        "script": w.clean(told.script_name(run)),
        "state": _state(arm),
        "verdict": w.clean(w.sentence(card.title if card else causes[0].says)) if causes else "",
        "tally": told.tally(causes, symptoms) if causes else "",
        "trouble": w.clean(trouble),
        "acts": [w.clean(said) for said in told.acts(run)],
        "running": end is None,
        "steps": run.steps,
        "few": 0 < run.steps < FEW_STEPS,
        "numbers": _numbers(arm),
        "light": w.clean(told.light_left(light[names[0]], names[0], names[-1])) if names else "",
        "unlearnt": told.unlearnt(run),
        "unseen": _unseen(run),
    }


def _numbers(arm: Arm) -> list[dict[str, str]]:
    """The few numbers at the top."""
    run = arm.run
    found = []
    for name, before, after in told.loss_ends(run)[:2]:
        found.append(
            {"value": f"{w.digits(before)} → {w.digits(after)}", "name": f"training {name}"}
        )
    passes = [p for p in run.evaluations() if p.loss is not None and math.isfinite(p.loss)]
    if passes:
        ends = [float(p.loss) for p in (passes[0], passes[-1]) if p.loss is not None]
        found.append(
            {"value": f"{w.digits(ends[0])} → {w.digits(ends[1])}", "name": "validation loss"}
        )
    scores = [(p.step, p.accuracy) for p in run.evaluations() if p.accuracy is not None]
    series = run.series(ACCURACY).finite
    if scores:
        found.append({"value": f"{100 * scores[-1][1]:.1f}%", "name": "validation accuracy"})
    elif series:
        value = 100 * float(series.tail(0.1).mean())
        found.append({"value": f"{value:.1f}%", "name": "training accuracy"})
    light = run.light_now
    if light and next(iter(light.values())) < DARK and arm.diagnosis.alarms:
        value = next(iter(light.values()))
        found.insert(0, {"value": w.part(value), "name": "of the light reaches the first layer"})
    return [{"value": w.clean(x["value"]), "name": w.clean(x["name"])} for x in found[:4]]


def _unseen(run: Run) -> str:
    if run.hygiene.backwards:
        passes = w.count(run.hygiene.backwards, "backward pass", "backward passes")
        return f"There were {passes}, but no optimiser ever took a step."
    if run.modules:
        return "A model ran, but no loss was sent backwards and no optimiser took a step."
    if run.end is not None and run.end.error:
        return "The script stopped before its first training step."
    return "No PyTorch optimiser took a step in this process."


def _checked(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """What was looked for, by family; what was found is marked."""
    found = {x.pitfall for x in diagnosis.findings}
    families: dict[str, list[dict[str, Any]]] = {}
    for name in diagnosis.checked:
        card = catalogue().get(name)
        entry = {"name": name, "title": card.title if card else "", "found": name in found}
        families.setdefault(card.family if card else "other", []).append(entry)
    return [{"family": k, "pitfalls": families[k]} for k in sorted(families)]


def _facts(arm: Arm, folder: str) -> list[tuple[str, str]]:
    """The run's own facts, for the foot of the page."""
    run, header, end = arm.run, arm.run.header, arm.run.end
    rows = [("Script", w.place(header.script) if header.script else "")]
    if header.started:
        with suppress(OverflowError, OSError, ValueError):  # whatever the file says
            started = datetime.fromtimestamp(header.started).astimezone()
            rows.append(("Started", started.strftime("%Y-%m-%d %H:%M")))
    length = w.count(run.steps, "training step")
    if end is not None and (end.seconds or end.wall):
        length += f" in {w.duration(end.seconds or end.wall)}"
    rows.append(("Length", length))
    rows.append(
        ("Optimiser", ", ".join(f"{o.type}, rate {w.number(o.lr)}" for o in run.optimizers))
    )
    if run.objective is not None:
        rows.append(("Loss function", run.objective.function))
    sizes = [math.prod(p.shape) for p in run.parameters if p.registered]
    if sizes:
        roots = sorted({p.root for p in run.parameters if p.root})
        rows.append(("Model", f"{', '.join(roots)}, {sum(sizes):,} parameters".lstrip(", ")))
    rows.append(("Device", header.device + (f", {header.world} ranks" if header.world > 1 else "")))
    versions = (("torch", header.torch), ("Python", header.python), ("Penlight", header.penlight))
    rows.append(("Versions", ", ".join(f"{n} {v.split(' ')[0]}" for n, v in versions if v)))
    if end is not None:
        whole = end.wall or end.seconds
        share = f", {told.percent(end.cost / whole)} of the run" if whole > 0 else ""
        rows.append(("Cost of watching", f"{w.duration(end.cost)}{share}"))
    rows.append(("Kept in", folder))
    return [(name, w.clean(text)) for name, text in rows if text]


# -- files ----------------------------------------------------------------------------------


def template(name: str) -> Template:
    """A template of the page, with autoescape."""
    return _templates().get_template(name)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("penlight.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = findings.inline
    return environment


@cache
def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


@cache
def _scripts() -> str:
    parts = "".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
