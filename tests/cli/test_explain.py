"""`penlight explain`, `pitfalls` and `demo`, as far as they need no training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from penlight import page
from penlight.cli import demo, explain, pitfalls
from penlight.core.finding import Prescription
from penlight.core.pitfall import Demo, Pitfall
from penlight.core.vocabulary import LOSS
from penlight.errors import PenlightError
from penlight.report.sheet import Sheet
from penlight.testing import fake_run

GOLDEN = Path(__file__).parent.parent / "golden"


class FlatLoss(Pitfall):
    """The loss stays flat.

    A car in neutral.

    ## Symptoms
    - The loss does not fall at all.
    """

    family = "speed"
    prescriptions = (Prescription("Raise the learning rate, → 0.1"),)
    demo = Demo("print(1)\n", (("1", "2"),))

    def detect(self, run):
        return iter(())


class NanLoss(FlatLoss):
    """The loss becomes NaN.

    ## Symptoms
    - The loss rises, then is not a number.
    """

    family = "numbers"
    demo = None


@pytest.fixture(autouse=True)
def _cards(monkeypatch):
    known = {c.name: c for c in (FlatLoss(), NanLoss())}
    for module in (page, explain, pitfalls, demo):
        monkeypatch.setattr(module, "catalogue", lambda: known)
    for module in (explain, demo):
        monkeypatch.setattr(module, "pitfall", known.__getitem__)
    monkeypatch.setenv("COLUMNS", "80")


def run(verb, *args, **kw):
    result = CliRunner(**kw).invoke(verb.command, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_explain_to_a_file_is_markdown():
    text = run(explain, "flat-loss")
    assert text.startswith("# flat-loss\n\n**The loss stays flat.**")
    assert "\x1b" not in text
    assert "```python" not in text
    assert "```python" in run(explain, "flat-loss", "--markdown")


def test_explain_in_ascii():
    assert "Raise the learning rate, -> 0.1" in run(explain, "flat-loss", charset="ascii")


def test_explain_as_json():
    assert json.loads(run(explain, "nan-loss", "--json"))["family"] == "numbers"


@pytest.mark.parametrize(
    ("symptom", "first"),
    [
        ("loss is flat", "flat-loss"),
        ("my loss plateaus", "flat-loss"),
        ("inf", "nan-loss"),
        ("loss increasing", "nan-loss"),
    ],
)
def test_symptoms(symptom, first):
    found = json.loads(run(explain, "--symptom", symptom, "--json"))
    assert found[0]["name"] == first
    assert first in run(explain, "--symptom", symptom)


def test_a_symptom_nobody_speaks_of():
    with pytest.raises(PenlightError, match="No card speaks of 'weather'"):
        run(explain, "--symptom", "weather")


@pytest.mark.parametrize("args", [(), ("flat-loss", "--symptom", "x")])
def test_explain_wants_one_question(args):
    assert CliRunner().invoke(explain.command, args).exit_code == 2


def test_pitfalls():
    assert run(pitfalls) == (
        "numbers\n  nan-loss   The loss becomes NaN\n\n"
        "speed\n  flat-loss  The loss stays flat\n\n"
        "2 pitfalls. Next: penlight explain NAME\n"
    )


def test_pitfalls_of_a_family():
    rows = json.loads(run(pitfalls, "--family", "Num", "--json"))
    assert rows == [{"name": "nan-loss", "family": "numbers", "title": "The loss becomes NaN"}]
    with pytest.raises(PenlightError, match="There are: numbers, speed"):
        run(pitfalls, "--family", "x")


def test_demo_without_a_name_lists_demos():
    text = run(demo)
    assert "flat-loss" in text
    assert "nan-loss" not in text


def test_demo_of_a_pitfall_without_one():
    with pytest.raises(PenlightError, match="nan-loss has no demo"):
        run(demo, "nan-loss")


def test_demo_without_torch(monkeypatch):
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PenlightError, match="needs torch"):
        run(demo, "flat-loss")


def arms():
    finding = {
        "pitfall": "flat-loss",
        "role": "cause",
        "severity": "critical",
        "says": "The loss moved by 0.1% in 400 steps \x1b[31m[red]",
    }
    flat, falling = [2.3] * 40, (2.3 * np.exp(-np.arange(400) / 60)).tolist()
    accuracy = [{"metric": "accuracy", "value": value} for value in (0.1, 0.975)]
    sick = demo.Arm(accuracy[0], {"findings": [finding]}, fake_run({LOSS: flat}))
    cured = demo.Arm(accuracy[1], {"findings": []}, fake_run({LOSS: falling}))
    return [sick, cured]


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_demo_shows_both_arms(width, encoding, tmp_path):
    path = tmp_path / "out.txt"
    with path.open("w", encoding=encoding) as file:
        demo.show(FlatLoss(), arms(), Sheet(Console(file=file, width=width, _environ={})))
    text = path.read_text(encoding=encoding)
    assert max(map(len, text.splitlines())) <= width
    kept = GOLDEN / f"demo-{width}-{encoding}.txt"
    if os.environ.get("PENLIGHT_GOLDEN"):  # writes the golden text anew
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")


def test_explain_is_quick_and_needs_no_torch():
    code = (
        "import sys\nfrom penlight.cli import main\n"
        "try: main(['pitfalls', '--json'])\n"
        "finally: assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - began < 10  # 0.5 s on an idle machine
