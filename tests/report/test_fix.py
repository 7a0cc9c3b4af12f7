"""What `penlight fix` says in a terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from penlight.core.finding import Diagnosis, Finding
from penlight.report.fix import Progression, print_fix
from penlight.testing import fake_run
from penlight.trial.parts import Refusal
from penlight.trial.result import Fix, Trial, patch

ILL = Diagnosis((Finding("double-softmax", "softmax twice", exact=True, rank=1),))
TEXTS = {"train.py": ("lr = 1\n", "lr = 0.1\n")}
CURE = Trial(
    "Set the learning rate to 0.1", "lr-too-high", ("learning-rate=0.1",), "accept", 3,
    "error rate on validation data", 0.5, 0.02, 0.044, ((0.5, 0.02), (0.51, 0.02), (0.5, 0.03)),
)  # fmt: skip
OTHERS = (
    Trial("Clip", "x", ("clip",), "harmful", 1, "o", 0.5, None, why="ValueError: no \x1b[31mgrad"),
    Trial("Clip; Wait", "x", ("wait",), "undecided", 1, "o", 0.5, 0.3, added="Wait"),
    Trial("Seed", "x", ("seed",), "no-effect", 1, "o", 0.5, 0.5),
)


def fixed(**fields: Any) -> Fix:
    values = {"diagnosis": ILL, "run": fake_run(steps=40), "script": "train.py",
              "root": Path("/p"), "cost": 12.0, "seconds": 40.0, **fields}  # fmt: skip
    return Fix(**values)


def said(found: Fix, width: int = 80, encoding: str = "utf-8", **places: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    print_fix(found, Console(file=stream, width=width, no_color=True), **places)
    return raw.getvalue().decode(encoding)


def test_a_cure() -> None:
    found = fixed(
        accepted=True, confirmed=True, texts=TEXTS, patch=patch(TEXTS), trials=(CURE, *OTHERS),
        after=Diagnosis(),
        curves={"before": [(1, 0.9), (2, 0.5)], "after": [(1, 0.9), (2, 0.02)]},
    )  # fmt: skip
    text = " ".join(said(found, patch=".penlight/fix.patch").split())
    assert "double-softmax (proven): softmax twice." in text
    assert "The cure: Set the learning rate to 0.1." in text
    assert "-lr = 1 +lr = 0.1" in text
    assert "before after" in text
    assert "0.500 → 0.0200, the mean of 3 pairs" in text
    assert "at most 4.4%" in text
    assert "Clip: made it worse (ValueError: no grad)" in text
    assert "... Wait: helped, but not as much (0.500 → 0.300)" in text
    assert "Seed: changed nothing at all" in text
    assert "12 runs of the script. No file was changed." in text
    assert "patch -p1 -d /p < .penlight/fix.patch" in text
    assert "Still found" not in text
    assert "Still found in the patched script: double-softmax" in said(
        fixed(accepted=True, trials=(CURE,), after=ILL)
    )
    assert "penlight undo" in said(found, applied=".penlight/undo/x")


def test_a_cure_that_shortened_runs_have_proven() -> None:
    short = replace(CURE, length=0.2, whole=(0.4, 0.001))
    text = " ".join(said(fixed(accepted=True, trials=(short,))).split())
    assert "Error rate on validation data: 0.400 → 0.00100, at the end of the run." in text
    assert "In 3 pairs of runs with fresh random numbers, each 20% as long: 0.500 → 0.0200." in text
    assert "at most 4.4%" in text


def test_a_cure_whose_honest_result_is_worse() -> None:
    gone = Trial(
        "Hide what comes", "causal-leak", ("causal-mask",), "accept", 4,
        "error rate on validation data", 0.03, 0.36, whole=(0.03, 0.35), proof="absence",
    )  # fmt: skip
    text = said(fixed(accepted=True, trials=(gone,), patch=patch(TEXTS), texts=TEXTS))
    plain = " ".join(text.split())
    assert "causal-leak is found in the script as it is, and gone in all 4 patched runs" in plain
    assert "3 of them on fresh random numbers" in plain
    assert "Error rate on validation data: 0.0300 while the fault was there, 0.360 without" in plain
    assert "Also tried" not in plain


def test_nothing_to_fix() -> None:
    assert "Nothing to fix" in said(fixed(diagnosis=Diagnosis()))
    assert "Nothing to fix" not in said(fixed(diagnosis=Diagnosis(), why="It fails."))


def test_notes_that_no_cure_helps() -> None:
    note = Diagnosis((Finding("input-scale", "the inputs reach 70", severity="note", rank=1),))
    refusal = Refusal("input-scale", "Scale", "in a factory", "Scale line 7 of nets.py")
    text = said(fixed(diagnosis=note, trials=OTHERS, refusals=(refusal,)))
    assert "input-scale (a note, no harm is seen): the inputs reach 70." in text
    assert "Nothing to fix. What these notes suggest was tried" in text
    assert "Seed: changed nothing at all" in text
    assert "Scale line 7" not in text
    assert "penlight explain" not in text


def test_no_cure_gives_the_instruction() -> None:
    refusal = Refusal("double-softmax", "Drop it", "in a factory", "Drop line 7 of nets.py")
    other = Refusal("elsewhere", "Rest", "", "Rest a while")
    text = said(fixed(why="Nothing helped.", refusals=(refusal, other)))
    assert "No cure was proven. Nothing helped." in text
    assert "Drop line 7 of nets.py." in text
    assert "Rest a while" not in text
    assert "penlight explain double-softmax" in text


@pytest.mark.parametrize("width", [30, 200])
def test_any_terminal(width: int) -> None:
    found = fixed(accepted=True, texts=TEXTS, patch=patch(TEXTS), trials=(CURE, *OTHERS))
    text = said(found, width=width, encoding="ascii")
    assert "->" in text
    assert "\x1b" not in text


def test_progress_in_a_log_is_a_line_a_phase() -> None:
    stream = io.StringIO()
    progress = Progression(stream)
    progress.phase("trying 3 candidates")
    progress.progress(1, 3, 20.0)
    progress.stop()
    assert stream.getvalue() == "penlight: trying 3 candidates\n"
