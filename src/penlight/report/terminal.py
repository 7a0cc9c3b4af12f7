"""The report in a terminal, a CI log or a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from rich.console import Console

from penlight.catalogue import catalogue
from penlight.core.finding import Diagnosis, Evidence, Finding
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, SIGNALS
from penlight.page import reasons
from penlight.report import beam
from penlight.report import words as w
from penlight.report.sheet import Sheet

COLOURS = {"critical": "red", "warning": "yellow", "note": "cyan"}
FULL = 3  # causes told in full; further ones in brief
FEW_STEPS = 20  # under this, what takes time to show cannot be ruled out
PARTS = frozenset({"light", "travel", "update_ratio"})  # parts of a whole, whatever their unit


def print_diagnosis(diagnosis: Diagnosis, run: Run, console: Console, *, folder: str = "") -> None:
    """Write the whole report.

    Args:
        diagnosis: what was found.
        run: the run it was found in.
        console: where to write; its width, colours and encoding are respected.
        folder: where the run is kept, for the closing line.
    """
    sheet = Sheet(console)
    _header(sheet, run)
    if diagnosis.alarms:
        _sick(sheet, diagnosis, run)
    elif not _trained(run):
        _no_training(sheet, run)
    else:
        _healthy(sheet, diagnosis, run)
    _footnotes(sheet, diagnosis)
    _closing(sheet, diagnosis, run, folder)


# -- the parts ------------------------------------------------------------------------------


def _header(sheet: Sheet, run: Run) -> None:
    end = run.end
    facts = w.count(run.steps, "training step")
    if end is not None and (end.seconds or end.wall):
        facts += f" in {w.duration(end.seconds or end.wall)}"
    loss = _loss(run)
    sheet.write((f"{_script(run)}: ", "bold"), f"{facts}, {loss}" if loss else facts, hang=2)
    if end is not None and end.error:
        said = f"The script stopped with an error: {w.sentence(end.error)}"
        sheet.write((said, "yellow"), hang=2)
    elif end is not None and end.script_exit:
        sheet.write((f"The script ended with exit code {end.script_exit}.", "yellow"), hang=2)
    sheet.blank()


def _sick(sheet: Sheet, diagnosis: Diagnosis, run: Run) -> None:
    causes, symptoms = _grouped(diagnosis)
    root = causes[0]
    card = catalogue().get(root.pitfall)
    colour = COLOURS[root.severity]
    sheet.write((w.sentence(card.title if card else root.says), f"bold {colour}"))
    told = sum(map(len, symptoms.values()))
    if told or len(causes) > 1:
        more = f", and {w.count(told, 'symptom')} explained by " if told else ""
        sheet.write(f"{w.count(len(causes), 'cause')}{more}{_them(causes) if told else ' found'}.")
    sheet.blank()
    _flashlight(sheet, run)
    for place, finding in enumerate(causes, start=1):
        number = f"{place}. " if len(causes) > 1 else ""
        _cause(sheet, finding, run, number, symptoms.get(finding.pitfall, []), place <= FULL)


def _cause(
    sheet: Sheet, finding: Finding, run: Run, number: str, symptoms: list[Finding], full: bool
) -> None:
    colour = COLOURS[finding.severity]
    sheet.write(
        (f"{number}{finding.pitfall}", f"bold {colour}"),
        f" ({finding.severity}, {w.sure(finding)})",
    )
    sheet.write(w.sentence(finding.says), indent=2)
    if full:
        sheet.blank()
    where = _where(finding, run)
    if where:
        sheet.labelled("Where", where)
    if finding.first_step is not None:
        sheet.labelled("Since", w.since(finding.first_step))
    if full:
        _details(sheet, finding)
    if symptoms:
        sheet.labelled("Explains", _listed(symptoms))
    sheet.labelled("More", (f"penlight explain {finding.pitfall}", "bold"))
    sheet.blank()


def _details(sheet: Sheet, finding: Finding) -> None:
    for i, evidence in enumerate(finding.evidence):
        label = "Evidence" if i == 0 or sheet.narrow else ""
        sheet.labelled(label, w.sentence(w.capital(evidence.says)), (_numbers(evidence), "dim"))
    card = catalogue().get(finding.pitfall)
    if card is not None and card.picture:
        sheet.labelled("Picture", (card.picture, "italic"))
    for i, remedy in enumerate(finding.prescriptions):
        number = f"{i + 1}. " if len(finding.prescriptions) > 1 else ""
        sheet.labelled(
            "Change" if i == 0 or sheet.narrow else "",
            (number + w.sentence(remedy.do), "bold"),
            reasons(remedy),
        )


def _healthy(sheet: Sheet, diagnosis: Diagnosis, run: Run) -> None:
    crashed = run.end is not None and run.end.error
    sheet.write(
        ("Penlight found nothing wrong with this training.", "" if crashed else "bold green")
    )
    over = w.count(run.steps, "step") if run.steps else "one batch"
    found = "no alarm, see the note below" if diagnosis.findings else "none of them was found"
    checked = w.count(len(diagnosis.checked), "pitfall")
    sheet.labelled("Checked", f"{checked} over {over}: {found}.")
    if 0 < run.steps < FEW_STEPS:
        sheet.labelled("", "So few steps show only what is wrong from the start.")
    sheet.blank()


def _no_training(sheet: Sheet, run: Run) -> None:
    sheet.write(("No training was seen.", "bold yellow"))
    if run.hygiene.backwards:
        said = (
            f"There were {w.count(run.hygiene.backwards, 'backward pass', 'backward passes')}, "
            "but no optimiser ever took a step."
        )
    elif run.modules:
        said = "A model ran, but no loss was sent backwards and no optimiser took a step."
    elif run.end is not None and run.end.error:
        said = "The script stopped before its first training step."
    else:
        said = "No PyTorch optimiser took a step in this process."
    sheet.write(said)
    sheet.blank()


def _footnotes(sheet: Sheet, diagnosis: Diagnosis) -> None:
    """Notes, blind spots and faults of our own: one line each."""
    notes = [x for x in diagnosis.findings if x.severity == "note" and x.role == "cause"]
    lines = [("Note", f"{x.pitfall}: {w.sentence(x.says)}") for x in notes]
    lines += [("Not seen", w.sentence(x)) for x in diagnosis.blind]
    lines += [("Fault", f"in Penlight itself: {w.sentence(x)}") for x in diagnosis.faults]
    before = ""
    for label, text in lines:
        sheet.labelled(label if label != before or sheet.narrow else "", text)
        before = label
    if lines:
        sheet.blank()


def _closing(sheet: Sheet, diagnosis: Diagnosis, run: Run, folder: str) -> None:
    end = run.end
    if end is None:
        said = "The run has no end on record, so what watching cost is not known."
    else:
        said = f"Watching cost {w.duration(end.cost)}"
        whole = end.wall or end.seconds
        said += f", {_percent(end.cost / whole)} of the run." if whole > 0 else "."
    if folder:
        said += f" The run is kept in {w.place(folder)}."
    command = _next(diagnosis, run)
    if len(f"{said} Next: {command}") <= sheet.width:
        sheet.write((said, "dim"), " Next: ", (command, "bold"))
    else:
        sheet.write((said, "dim"))
        sheet.write("Next: ", (command, "bold"))


# -- their words ----------------------------------------------------------------------------


def _them(causes: Sequence[Finding]) -> str:
    return "it" if len(causes) == 1 else "them"


def _script(run: Run) -> str:
    return PurePath(run.header.script).name or "The run"


def _trained(run: Run) -> bool:
    return run.steps > 0 or run.header.mode == "check"


def _loss(run: Run) -> str:
    """`loss 2.31 → 0.12`: the first value and the mean of the last twentieth."""
    said = []
    for series in run.every(LOSS):
        name = f"loss {series.site}" if len(run.sites(LOSS)) > 1 else "loss"
        last = float(np.mean(series.tail(0.05)))
        said.append(f"{name} {w.digits(float(series.values[0]))} → {w.digits(last)}")
    return ", ".join(said[:3])


def _grouped(diagnosis: Diagnosis) -> tuple[list[Finding], dict[str, list[Finding]]]:
    """Causes worth a block of their own, and the symptoms of each."""
    causes = [x for x in diagnosis.alarms if x.role == "cause"]
    names = {x.pitfall for x in causes}
    symptoms: dict[str, list[Finding]] = {}
    for finding in diagnosis.findings:
        if finding.role != "symptom":
            continue
        if finding.because_of in names:
            symptoms.setdefault(finding.because_of, []).append(finding)
        elif finding.severity != "note":
            causes.append(finding)
    return causes, symptoms


def _where(finding: Finding, run: Run) -> str:
    source = finding.source
    module = run.module(finding.where)
    if not source and module is not None:
        source = module.source
    if not source:
        named = (p.source for p in run.parameters if p.name == finding.where)
        source = next(named, "")
    kind = f" ({module.type})" if module is not None and module.type else ""
    return ", ".join(x for x in (f"{finding.where}{kind}", w.place(source) if source else "") if x)


def _numbers(evidence: Evidence) -> str:
    """The measured value beside its limit, as one more sentence; '' when nothing was measured."""
    if evidence.value is None:
        return ""
    known = evidence.signal in SIGNALS or evidence.signal in PARTS
    name = evidence.signal.replace("_", " ").capitalize() if known else "Measured"
    said = [f" {name} {_measured(evidence.signal, evidence.value)}"]
    if evidence.limit is not None:
        said.append(f"limit {w.number(evidence.limit)}")
    if evidence.steps is not None:
        first, last = evidence.steps
        said.append(f"step {first:,}" if first == last else f"steps {first:,} to {last:,}")
    return ", ".join(said) + "."


def _measured(name: str, value: float) -> str:
    """A small part of a whole in words, with the number itself beside it."""
    signal = SIGNALS.get(name)
    is_part = name in PARTS or (signal is not None and signal.unit == "share")
    return (
        f"{w.part(value)} ({w.number(value)})" if is_part and 0 < value < 0.001 else w.number(value)
    )


def _listed(findings: Sequence[Finding]) -> str:
    named = [f"{x.pitfall} ({x.where})" if x.where else x.pitfall for x in findings[:5]]
    more = len(findings) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "") + "."


def _flashlight(sheet: Sheet, run: Run) -> None:
    light = {sheet.safe(name): value for name, value in beam.light_now(run).items()}
    if len(light) < beam.FEWEST:
        return
    first, *_, last = light
    sheet.write("The loss is the lamp. The light that is left at each layer:")
    sheet.blank()
    for row in beam.beam(light, sheet.width - 2, colour=sheet.colour, ascii_only=sheet.ascii):
        sheet.row(row, 2)
    sheet.blank()
    sheet.write(_light_left(light[first], first, last))
    sheet.blank()


def _light_left(left: float, first: str, last: str) -> str:
    first, last = w.short(first), w.short(last)
    if left == 0:
        return f"No light at all reaches {first}."
    if left > 1.5:
        return f"From {last} to {first} the light grows {w.part(left)}."
    beside = f" ({w.number(left)})" if left < 0.001 else ""
    return f"Of the light at {last}, {w.part(left)}{beside} reaches {first}."


def _percent(share: float) -> str:
    return "less than 0.1%" if share < 0.0005 else f"{100 * share:.1f}%"


def _next(diagnosis: Diagnosis, run: Run) -> str:
    if diagnosis.alarms:
        name = diagnosis.alarms[0].pitfall
        card = catalogue().get(name)
        return f"penlight {'demo' if card is not None and card.demo else 'explain'} {name}"
    if not _trained(run):
        return "penlight run --help"
    return "penlight pitfalls"
