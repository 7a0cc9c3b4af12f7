"""What `penlight fix` says in a terminal: how it goes, and what came of it."""

from __future__ import annotations

from typing import TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from penlight.core.finding import Finding
from penlight.report import words as w
from penlight.report.chart import ROWS, Scale, chart
from penlight.report.sheet import Sheet
from penlight.trial.result import Fix, Trial

REJECTED = 8  # trials listed
VERDICTS = {
    "accept": "proven",
    "harmful": "made it worse",
    "no-effect": "changed nothing at all",
    "no-benefit": "did not help",
    "undecided": "not proven",
}
PICTURE = 60  # columns of both curves together, at least


class Progression:
    """A line with a bar and the time left on a terminal; one plain line a phase elsewhere.

    A listener of `penlight.trial`; `stop` takes the line away.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, force_jupyter=False)
        self._bar: Progress | None = None
        self._text = ""
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("penlight  {task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]}"),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, left="")
            self._bar.start()

    def stop(self) -> None:
        """Take the line away."""
        if self._bar is not None:
            self._bar.stop()

    def phase(self, text: str) -> None:
        """Something new begins."""
        self._text = w.clean(text)
        if self._bar is not None:
            self._bar.update(self._task, description=w.short(self._text, 48), completed=0, left="")
        else:
            self._console.print(
                f"penlight: {self._text}", highlight=False, markup=False, soft_wrap=True
            )

    def progress(self, done: int, total: int, left: float | None) -> None:
        """So many of the phase's runs have ended."""
        if self._bar is not None:
            said = "" if left is None or left < 1 else f"about {w.duration(left)} left"
            self._bar.update(self._task, completed=done, total=total, left=said)


def print_fix(found: Fix, console: Console, *, patch: str = "", applied: str = "") -> None:
    """Write the whole report.

    Args:
        found: what came of it.
        console: where to write.
        patch: where the patch is kept.
        applied: where the backup is, when the patch has been applied.
    """
    sheet = Sheet(console)
    _found(sheet, found)
    sound = found.healthy and not found.why
    if sound and not found.trials:
        sheet.write(("Nothing to fix.", "bold green"), " No trial was run.")
        return
    if found.accepted:
        _cure(sheet, found)
    elif sound:
        tried = " What these notes suggest was tried, and nothing is proven to help."
        sheet.write(("Nothing to fix.", "bold green"), tried)
        sheet.blank()
    else:
        sheet.write(("No cure was proven.", "bold yellow"), f" {found.why}")
        sheet.blank()
    _tried(sheet, found)
    if not found.accepted and not found.healthy:
        _by_hand(sheet, found)
    _closing(sheet, found, patch, applied)


def _found(sheet: Sheet, found: Fix) -> None:
    steps = w.count(found.run.steps, "training step")
    sheet.write((f"{found.script}: ", "bold"), f"{steps} watched", hang=2)
    for finding in found.diagnosis.causes:
        if finding.severity != "note":
            colour = "bold red" if finding.severity == "critical" else "bold yellow"
            _named(sheet, finding, colour, w.sure(finding))
        elif found.healthy and found.trials:
            _named(sheet, finding, "bold", "a note, no harm is seen")
    sheet.blank()


def _named(sheet: Sheet, finding: Finding, colour: str, sure: str) -> None:
    said = f" ({sure}): {w.sentence(finding.says)}"
    sheet.write((finding.pitfall, colour), said, indent=2, hang=4)


def _cure(sheet: Sheet, found: Fix) -> None:
    best = found.trials[0]
    sheet.write(("The cure", "bold green"), f": {w.sentence(best.prescription)}")
    sheet.blank()
    for line in found.patch.splitlines():
        colour = {"+": "green", "-": "red", "@": "dim"}.get(line[:1], "")
        sheet.row(Text(sheet.safe(line), colour), 2)
    sheet.blank()
    _picture(sheet, found)
    if best.proof == "absence":
        _absence(sheet, best)
    else:
        _outcome(sheet, best)
    still = [f.pitfall for f in found.after.causes if f.severity != "note"] if found.after else []
    if still:
        where = "cured training" if found.in_memory else "patched script"
        sheet.write((f"Still found in the {where}: {', '.join(still)}.", "yellow"))
    sheet.blank()


def _outcome(sheet: Sheet, best: Trial) -> None:
    shorter = best.length < 1
    before, after = best.whole if shorter else (best.before, best.after)
    said = f"{w.capital(best.outcome)}: {_number(before)} → {_number(after)}"
    pairs = f"{w.count(best.pairs, 'pair')} of runs with fresh random numbers"
    if shorter:
        sheet.write(f"{said}, at the end of the run.")
        said = f"In {pairs}, each {w.part(best.length)} as long: {_number(best.before)} → "
        said += f"{_number(best.after)}"
    elif best.error_rate:
        said += f", the mean of {pairs}"
    if best.error_rate:
        sheet.write(
            f"{said}. A change that does nothing would pass this test in at most "
            f"{100 * best.error_rate:.1f}% of such trials."
        )
    else:
        sheet.write(f"{said}. Random numbers change nothing here, so one pair tells all.")


def _absence(sheet: Sheet, best: Trial) -> None:
    """The fault is gone, and with it what it made of the results."""
    sheet.write(
        f"{best.pitfall} is found in the script as it is, and gone in all {best.pairs} patched "
        f"runs, {best.pairs - 1} of them on fresh random numbers; the model still learns."
    )
    sheet.write(
        f"{w.capital(best.outcome)}: {_number(best.before)} while the fault was there, "
        f"{_number(best.after)} without it, which is the honest number."
    )


def _picture(sheet: Sheet, found: Fix) -> None:
    """Both runs' outcomes over their steps, on one scale."""
    curves = [np.array([v for _, v in found.curves.get(n, [])]) for n in ("before", "after")]
    if min(map(len, curves)) < 2:
        return
    width = (min(sheet.width, max(PICTURE, sheet.width)) - 6) // 2
    scale = Scale(curves)
    drawn = [chart(c, width, scale, ascii_only=sheet.ascii) for c in curves]
    sheet.row(Text(f"{'before':<{width + 2}}after", "dim"), 2)
    for i in range(ROWS):
        left, right = (d[i] if i < len(d) else "" for d in drawn)
        sheet.row(Text.assemble((f"{left:<{width + 2}}", "red"), (right, "green")), 2)
    sheet.blank()


def _tried(sheet: Sheet, found: Fix) -> None:
    others = [t for t in found.trials if t.verdict != "accept"]
    if not others:
        return
    sheet.write("Also tried:" if found.accepted else "Tried:")
    for trial in others[:REJECTED]:
        sheet.write(_trial(trial), first="  - ", hang=4)
    if len(others) > REJECTED:
        sheet.write(f"and {len(others) - REJECTED} more.", indent=4)
    sheet.blank()


def _trial(trial: Trial) -> str:
    verdict = VERDICTS[trial.verdict]
    if trial.verdict == "undecided" and trial.pairs == 1:
        verdict = "helped, but not as much"
    what = trial.prescription
    if trial.added and trial.added != what:
        what = f"... {trial.added}"  # on top of what all of them have
    said = f"{what}: {verdict}"
    if trial.why:
        return f"{said} ({w.clean(trial.why)})"
    if trial.verdict != "no-effect":
        said += f" ({_number(trial.before)} → {_number(trial.after)})"
    return said


def _by_hand(sheet: Sheet, found: Fix) -> None:
    named = {f.pitfall for f in found.diagnosis.alarms if f.role == "cause"}
    chosen = [r for r in found.refusals if r.pitfall in named] or list(found.refusals)
    if not chosen:
        return
    sheet.write("By hand:")
    for refusal in chosen[:5]:
        sheet.write(w.sentence(refusal.instruction or refusal.do), first="  - ", hang=4)
    sheet.blank()


def _closing(sheet: Sheet, found: Fix, patch: str, applied: str) -> None:
    runs = f"{found.cost:.1f}".removesuffix(".0")
    what, kept = "the script", "No file was changed."
    if found.in_memory:
        what, kept = "the training", "Your own objects are as they were."
    elif applied:
        kept = f"The old text is kept in {applied}."
    sheet.write(
        (f"It took {w.duration(found.seconds)}, {runs} runs of {what}. ", "dim"),
        (kept, "dim"),
    )
    if applied:
        sheet.write("Next: ", ("penlight undo", "bold"), " takes it back.")
    elif found.accepted and found.in_memory:
        sheet.write("Next: take .model, .optimizer, .loss and .batches: cured and trained.")
    elif found.accepted:
        sheet.write("Next: ", (f"patch -p1 -d {found.root} < {patch}", "bold"))
    elif found.diagnosis.alarms:
        sheet.write("Next: ", (f"penlight explain {found.diagnosis.alarms[0].pitfall}", "bold"))


def _number(value: float | None) -> str:
    return "failed" if value is None else w.digits(value)
