"""`penlight demo NAME`: a pitfall happens, then its cure, side by side."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.text import Text

from penlight import page
from penlight.catalogue import catalogue, pitfall
from penlight.cli import output
from penlight.cli.output import sheet
from penlight.core.pitfall import Demo, Pitfall
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS
from penlight.errors import PenlightError
from penlight.report import words as w
from penlight.report.chart import Scale, Values, chart
from penlight.report.sheet import Sheet

SIDE_BY_SIDE = 80  # columns
GAP = 4
LONGEST = 300  # seconds; a demo takes less than 20
TITLES = ("With the pitfall", "With the cure")


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the two runs: what it printed, what Penlight says, what was recorded."""

    result: dict[str, Any]
    diagnosis: dict[str, Any]
    run: Run

    @property
    def loss(self) -> Values:
        """How its loss went."""
        return np.asarray(self.run.series(LOSS).values)

    def to_json(self) -> dict[str, Any]:
        """What the script said of itself, and what Penlight says of it."""
        return {"result": self.result, "diagnosis": self.diagnosis}


@click.command()
@click.argument("name", required=False)
@click.option(
    "--gallery", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Run all demos and write a page for each into DIR, with an index. Takes some minutes.",
)  # fmt: skip
@click.option("--only", multiple=True, metavar="NAME", help="Only this pitfall in the gallery.")
@output.as_json
def command(name: str | None, gallery: Path | None, only: tuple[str, ...], as_json: bool) -> None:
    """Show a pitfall happening, then its cure, side by side.

    Two small networks are trained, which takes some seconds. Without a name the demos are listed.
    """
    out = sheet()
    if gallery is not None:
        names = [*only, *([name] if name else [])]
        _gallery([pitfall(x) for x in names] or list(catalogue().values()), gallery, out)
        return
    if only:
        raise PenlightError("--only chooses what goes into a gallery: add --gallery DIR.")
    if name is None:
        _list(out, as_json)
        return
    card = pitfall(name)
    if card.demo is None:
        raise PenlightError(f"{name} has no demo. `penlight explain {name}` tells of it.")
    _need_torch(name)
    if as_json:
        sick, cured = run_arms(card.demo)
        output.echo_json({"pitfall": name, "sick": sick.to_json(), "cured": cured.to_json()})
        return
    out.write((f"{name}: {w.sentence(card.title)}", "bold"))
    out.write("Two small networks are being trained, without and with the cure.")
    out.blank()
    show(card, run_arms(card.demo), out)


def _gallery(cards: list[Pitfall], folder: Path, out: Sheet) -> None:
    """Run the demos one after the other, each with its two arms at the same time."""
    from penlight.report.html.gallery import Entry, write_index, write_page

    _need_torch("NAME")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PenlightError(f"Cannot make {folder}: {error.strerror}.") from None
    entries = []
    for card in cards:
        if card.demo is None:
            continue
        try:
            sick, cured = run_arms(card.demo)
        except PenlightError as error:
            out.write((f"{card.name}: left out. {error}", "yellow"))
            continue
        entries.append(Entry(card, sick.run, cured.run, (sick.result, cured.result)))
        out.write(str(write_page(entries[-1], folder)))
    if not entries:
        raise PenlightError("No demo could be run: there is no gallery.", 1)
    out.write("Open: ", (str(write_index(entries, folder)), "bold"))


def _need_torch(name: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise PenlightError(
            "A demo trains a small network and needs torch: pip install torch. "
            f"`penlight explain {name} --markdown` shows the script."
        )


def run_arms(demo: Demo) -> list[Arm]:
    """Run both scripts under the launcher, at the same time.

    Raises:
        PenlightError: one of them left no diagnosis.
    """
    with tempfile.TemporaryDirectory(prefix="penlight-demo-") as folder:
        places = [Path(folder) / part for part in ("demo", "cured")]
        started = [
            _start(place, text)
            for place, text in zip(places, (demo.script, demo.cured), strict=True)
        ]
        try:
            printed = [process.communicate(timeout=LONGEST) for process in started]
        except subprocess.TimeoutExpired:
            raise PenlightError(f"The demo did not end within {LONGEST} s.", 1) from None
        finally:
            for process in started:
                process.kill()
        return [_arm(place, *texts) for place, texts in zip(places, printed, strict=True)]


def show(card: Pitfall, arms: list[Arm], out: Sheet) -> None:
    """Write what came of it: the two runs, the change between them, where to read on."""
    wide = out.width >= SIDE_BY_SIDE
    width = (out.width - GAP) // 2 if wide else out.width
    scale = Scale([arm.loss for arm in arms])
    blocks = [
        [part for text in _block(title, arm, scale, out, width) for part in _fit(text, out, width)]
        for title, arm in zip(TITLES, arms, strict=True)
    ]
    if wide:
        for i in range(max(map(len, blocks))):
            left, right = (b[i] if i < len(b) else Text() for b in blocks)
            line = Text.assemble(left, " " * (width + GAP - left.cell_len), right)
            line.rstrip()
            out.row(line, 0)
    else:
        for i, block in enumerate(blocks):
            if i:
                out.blank()
            for line in block:
                out.row(line, 0)
    out.blank()
    assert card.demo is not None  # the caller has looked
    out.write("The cure:")
    out.blank()
    for change in page.cure_diff(card.demo).splitlines()[2:]:
        colour = {"+": "green", "-": "red", "@": "dim"}.get(change[:1], "")
        out.row(Text(out.safe(change), colour), 2)
    out.blank()
    out.write("Next: ", (f"penlight explain {card.name}", "bold"))


def _list(out: Sheet, as_json: bool) -> None:
    rows = [(name, card.title) for name, card in catalogue().items() if card.demo]
    if as_json:
        output.echo_json([{"name": name, "title": title} for name, title in rows])
        return
    out.write("Demos:")
    out.blank()
    out.entries(rows)
    out.blank()
    out.write("Next: ", (f"penlight demo {rows[0][0] if rows else 'NAME'}", "bold"))


def _start(folder: Path, script: str) -> subprocess.Popen[str]:
    folder.mkdir()
    (folder / "demo.py").write_text(script, encoding="utf-8")
    words = ["run", "--json", "out.json", "--dir", "runs", "--quiet", "demo.py"]
    return subprocess.Popen(
        [sys.executable, "-m", "penlight", *words],
        cwd=folder,
        # Each arm has one thread: two processes that fight for the cores are slower than that.
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )


def _arm(folder: Path, printed: str, complaint: str) -> Arm:
    from penlight.store.folder import find_run
    from penlight.store.reader import load

    try:
        diagnosis = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
        raise PenlightError(f"The demo left no diagnosis: {w.clean(last)}", 1) from None
    found = re.findall(r"^RESULT (\{.*\})$", printed, flags=re.M)
    run = load(find_run("last", folder / "runs"))
    return Arm(json.loads(found[-1]) if found else {}, diagnosis, run)


def _block(title: str, arm: Arm, scale: Scale, out: Sheet, width: int) -> list[Text]:
    lines = [Text(title, "bold"), Text()]
    rows = chart(arm.loss, width, scale, ascii_only=out.ascii)
    if rows:
        first, last = float(arm.loss[0]), float(np.mean(arm.loss[-max(1, len(arm.loss) // 20) :]))
        how = ", log scale" if scale.log else ""
        lines += [Text(row, "cyan") for row in rows]
        lines.append(Text(out.safe(f"loss {w.digits(first)} → {w.digits(last)}{how}")))
    if arm.result:
        value = arm.result.get("value")
        shown = w.digits(value) if isinstance(value, int | float) else str(value)
        lines.append(Text(out.safe(f"{arm.result.get('metric', 'result')} {shown}")))
    lines += [Text(), *_said(arm.diagnosis["findings"], out)]
    return lines


def _said(findings: list[dict[str, Any]], out: Sheet) -> list[Text]:
    causes = [x for x in findings if x["role"] == "cause" and x["severity"] != "note"]
    if not causes:
        return [Text("Nothing wrong was found.", "green")]
    lines = []
    for cause in causes:
        lines.append(Text(cause["pitfall"], "bold red"))
        lines.append(Text(out.safe(w.sentence(cause["says"]))))
    return lines


def _fit(text: Text, out: Sheet, width: int) -> list[Text]:
    """The lines a text takes; a chart's spaces are its own and stay."""
    if text.cell_len <= width:
        return [text]
    return list(text.wrap(out.console, width, overflow="fold"))
