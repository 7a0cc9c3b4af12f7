"""The report in a terminal, a CI log or a file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console

from penlight.catalogue import catalogue
from penlight.core.finding import Diagnosis, Finding
from penlight.core.run import Run
from penlight.page import reasons
from penlight.report import beam, told
from penlight.report import words as w
from penlight.report.sheet import Sheet, plain

COLOURS = {"critical": "red", "warning": "yellow", "note": "cyan"}
FULL = 3  # causes told in full; further ones in brief
FEW_STEPS = 20  # under this, what takes time to show cannot be ruled out


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
    elif not told.trained(run):
        _no_training(sheet, run)
    else:
        _healthy(sheet, diagnosis, run)
    _footnotes(sheet, diagnosis)
    _closing(sheet, diagnosis, run, folder)


def print_causes(
    diagnosis: Diagnosis, run: Run, console: Console, *, pictures: bool = True
) -> None:
    """Write what is wrong, where, by what evidence and what to change, and nothing else.

    Args:
        diagnosis: what was found.
        run: the run it was found in.
        console: where to write.
        pictures: whether the card's everyday picture is told, too.
    """
    sheet = Sheet(console)
    causes, symptoms = told.grouped(diagnosis)
    for place, finding in enumerate(causes, start=1):
        number = f"{place}. " if len(causes) > 1 else ""
        explained = symptoms.get(finding.pitfall, [])
        _cause(sheet, finding, run, number, explained, place <= FULL, pictures)


def as_text(diagnosis: Diagnosis, run: Run, *, folder: str = "", width: int = 80) -> str:
    """The same report without colour, `width` characters wide."""
    return plain(lambda console: print_diagnosis(diagnosis, run, console, folder=folder), width)


# -- the parts ------------------------------------------------------------------------------


def _header(sheet: Sheet, run: Run) -> None:
    end = run.end
    facts = w.count(run.steps, "training step")
    if end is not None and (end.seconds or end.wall):
        facts += f" in {w.duration(end.seconds or end.wall)}"
    loss = told.loss_fall(run)
    sheet.write(
        (f"{told.script_name(run)}: ", "bold"), f"{facts}, {loss}" if loss else facts, hang=2
    )
    for said in told.acts(run):
        sheet.write((said, "cyan"), hang=2)
    if end is not None and end.error:
        said = f"The script stopped with an error: {w.sentence(end.error)}"
        sheet.write((said, "yellow"), hang=2)
    elif end is not None and end.script_exit:
        sheet.write((f"The script ended with exit code {end.script_exit}.", "yellow"), hang=2)
    sheet.blank()


def _sick(sheet: Sheet, diagnosis: Diagnosis, run: Run) -> None:
    causes, symptoms = told.grouped(diagnosis)
    root = causes[0]
    card = catalogue().get(root.pitfall)
    colour = COLOURS[root.severity]
    sheet.write((w.sentence(card.title if card else root.says), f"bold {colour}"))
    if symptoms or len(causes) > 1:
        sheet.write(told.tally(causes, symptoms))
    sheet.blank()
    _flashlight(sheet, run)
    print_causes(diagnosis, run, sheet.console)


def _cause(
    sheet: Sheet,
    finding: Finding,
    run: Run,
    number: str,
    symptoms: list[Finding],
    full: bool,
    pictures: bool,
) -> None:
    colour = COLOURS[finding.severity]
    sheet.write(
        (f"{number}{finding.pitfall}", f"bold {colour}"),
        f" ({finding.severity}, {w.sure(finding)})",
    )
    sheet.write(w.sentence(finding.says), indent=2)
    if full:
        sheet.blank()
    place = told.where(finding, run)
    if place:
        sheet.labelled("Where", place)
    if finding.first_step is not None:
        sheet.labelled("Since", w.since(finding.first_step))
    if full:
        _details(sheet, finding, pictures)
    if symptoms:
        sheet.labelled("Explains", _listed(symptoms))
    sheet.labelled("More", (f"penlight explain {finding.pitfall}", "bold"))
    sheet.blank()


def _details(sheet: Sheet, finding: Finding, pictures: bool) -> None:
    for i, evidence in enumerate(finding.evidence):
        label = "Evidence" if i == 0 or sheet.narrow else ""
        sheet.labelled(label, w.sentence(w.capital(evidence.says)), (told.numbers(evidence), "dim"))
    card = catalogue().get(finding.pitfall)
    if pictures and card is not None and card.picture:
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
    if run.header.mode == "import":
        sheet.write(("The curves of this history show nothing wrong.", "bold"))
        most = "most pitfalls show only while the training runs: penlight run SCRIPT"
        sheet.labelled("Checked", f"what curves alone can tell; {most}.")
        sheet.blank()
        return
    unlearnt = told.unlearnt(run)
    if unlearnt:
        sheet.write(("Nothing was learnt, and Penlight found no cause.", "bold yellow"))
        sheet.labelled("Learnt", unlearnt)
    else:
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
    if run.header.mode == "import":
        said = "This is a history that another tool has kept."
    elif end is None:
        said = "The run has no end on record, so what watching cost is not known."
    else:
        said = f"Watching cost {w.duration(end.cost)}"
        whole = end.wall or end.seconds
        said += f", {told.percent(end.cost / whole)} of the run." if whole > 0 else "."
    if folder:
        said += f" The run is kept in {w.place(folder)}."
    command = _next(diagnosis, run, kept=bool(folder))
    if len(f"{said} Next: {command}") <= sheet.width:
        sheet.write((said, "dim"), " Next: ", (command, "bold"))
    else:
        sheet.write((said, "dim"))
        sheet.write("Next: ", (command, "bold"))


# -- their words ----------------------------------------------------------------------------


def _listed(findings: Sequence[Finding]) -> str:
    named = [f"{x.pitfall} ({x.where})" if x.where else x.pitfall for x in findings[:5]]
    more = len(findings) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "") + "."


def _flashlight(sheet: Sheet, run: Run) -> None:
    light = {sheet.safe(name): value for name, value in run.light_now.items()}
    if len(light) < beam.FEWEST:
        return
    first, *_, last = light
    sheet.write("The loss is the lamp. The light that is left at each layer:")
    sheet.blank()
    for row in beam.beam(light, sheet.width - 2, colour=sheet.colour, ascii_only=sheet.ascii):
        sheet.row(row, 2)
    sheet.blank()
    sheet.write(told.light_left(light[first], first, last))
    sheet.blank()


def _next(diagnosis: Diagnosis, run: Run, kept: bool) -> str:
    """The command that helps most now: the cure, else the page, else the card."""
    if not told.trained(run) and not diagnosis.alarms:
        return "penlight run --help"
    header = run.header
    curable = any(p.edits for x in diagnosis.alarms for p in x.prescriptions)
    if curable and kept and header.mode == "run" and header.script and header.world == 1:
        script = header.script if header.script.startswith("-m ") else shlex.quote(header.script)
        return " ".join(["penlight fix", script, shlex.join(header.argv)]).strip()
    if kept:
        return "penlight report"
    if diagnosis.alarms:
        name = diagnosis.alarms[0].pitfall
        card = catalogue().get(name)
        return f"penlight {'demo' if card is not None and card.demo else 'explain'} {name}"
    return "penlight pitfalls"
