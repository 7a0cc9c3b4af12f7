"""The terminal report, as a reader sees it."""
# ruff: noqa: E501  # one row of a table is one case

from __future__ import annotations

import pytest

from penlight.core.facts import End, Header, Hygiene, Module
from penlight.core.finding import Diagnosis, Evidence, Finding, Prescription
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OUTPUT_GRAD
from penlight.testing import fake_run

PAGES = [
    ("vanishing", 80, "utf-8"),
    ("vanishing", 40, "utf-8"),
    ("vanishing", 120, "utf-8"),
    ("vanishing", 80, "ascii"),
    ("healthy", 80, "utf-8"),
    ("healthy", 40, "ascii"),
    ("unlearnt", 80, "utf-8"),
    ("healthy_blind", 80, "utf-8"),
    ("crash", 80, "utf-8"),
    ("crash", 40, "utf-8"),
    ("no_training", 80, "utf-8"),
    ("hostile", 80, "utf-8"),
    ("hostile", 40, "ascii"),
]


@pytest.mark.parametrize(("name", "width", "encoding"), PAGES)
def test_golden(name, width, encoding, cases, show, golden):
    text = show(cases[name](), width=width, encoding=encoding)
    tail = "-ascii" if encoding == "ascii" else ""
    golden(f"report-{name.replace('_', '-')}-{width}{tail}", text)


@pytest.mark.parametrize(("name", "width", "encoding"), PAGES)
def test_fits_and_is_plain(name, width, encoding, cases, show):
    text = show(cases[name](), width=width, encoding=encoding)
    assert "\x1b" not in text
    assert all(c == "\n" or c.isprintable() for c in text)
    lines = text.split("\n")
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    assert "\n\n\n" not in text


def test_colour_only_on_a_terminal(cases, show):
    assert "\x1b[" in show(cases["vanishing"](), force_terminal=True, color_system="truecolor")


def test_hostile_names_are_shown_as_text(cases, show):
    text = show(cases["hostile"](), force_terminal=True, color_system="truecolor")
    assert "\x1b[31mred" not in text
    assert "\u202e" not in text
    assert "[bold]" in text
    assert "]8;;" not in text  # no hyperlink


@pytest.mark.parametrize("layers", [4, 5, 13, 30, 200])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_beam_fits_however_many_layers(layers, width, cases, show):
    text = show(cases["vanishing"](layers), width=width)
    strip = next(line for line in text.split("\n") if "◄ loss" in line)
    assert len(strip) <= width


def test_no_beam_for_three_layers(cases, show):
    assert "lamp" not in show(cases["vanishing"](3))


def test_a_run_that_is_still_going(show):
    run = Run({}, [Hygiene(steps=30)])
    text = show((Diagnosis(checked=("a",)), run), folder="")
    assert text.startswith("The run: 30 training steps\n")
    assert "no end on record" in text


def test_a_check_that_took_no_step_is_not_called_no_training(show):
    run = fake_run({}, [Header(mode="check", script="a.py"), End()])
    assert "1 pitfall over one batch: none of them was found." in show(
        (Diagnosis(checked=("a",)), run)
    )


def test_backward_passes_without_a_step(show):
    text = show((Diagnosis(), fake_run({}, [Hygiene(backwards=7)])))
    assert "There were 7 backward passes, but no optimiser ever took a step." in text


def test_two_optimisers_have_two_losses(show):
    run = fake_run({(LOSS, "D"): [0.69, 0.5], (LOSS, "G"): [0.7, 1.25]})
    text = show((Diagnosis(), run))
    assert text.startswith("The run: 2 training steps, loss D 0.690 → 0.500, loss G 0.700 → 1.25")


def test_findings_that_only_explain_each_other_are_told_all_the_same(show):
    pair = [Finding(a, f"{a} says").ranked(1, "symptom", b) for a, b in ("xy", "yx")]
    text = show((Diagnosis(tuple(pair)), fake_run(steps=9)))
    assert "1. x (critical" in text
    assert "2. y (critical" in text


def test_a_fourth_cause_is_told_in_brief(show):
    evidence = (Evidence("loss", "a number", value=1.0),)
    found = [Finding(f"p{i}", "It is so.", evidence=evidence).ranked(i, "cause") for i in range(5)]
    text = show((Diagnosis(tuple(found)), fake_run(steps=9)))
    assert text.count("A number. Loss 1.") == 3
    assert "penlight explain p4" in text


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (0.0, "No light at all reaches a."),
        (0.5, "Of the light at d, 50% reaches a."),
        (40.0, "From d to a the light grows 40 times."),
        (1e-30, "Of the light at d, 1 in 1e+30 (1e-30) reaches a."),
    ],
)
def test_light_in_words(first, said, show):
    grads = {(OUTPUT_GRAD, n): [v] for n, v in zip("abcd", (first, 1.0, 1.0, 1.0), strict=True)}
    run = fake_run(grads, [Module(name=n, type="Linear", order=i) for i, n in enumerate("abcd")])
    assert said in show((Diagnosis((Finding("x", "y"),)), run))


@pytest.mark.parametrize(
    ("header", "edits", "folder", "following"),
    [
        (Header(script="my train.py", argv=("--lr", "1")), ("zero-grad",), "x", "penlight fix 'my train.py' --lr 1"),
        (Header(script="-m pack.train"), ("zero-grad",), "x", "penlight fix -m pack.train"),
        (Header(script="train.py"), (), "x", "penlight report"),
        (Header(script="train.py", world=2), ("zero-grad",), "x", "penlight report"),
        (Header(mode="watch"), ("zero-grad",), "x", "penlight report"),
        (Header(mode="watch"), ("zero-grad",), "", "penlight explain missing-zero-grad"),
    ],
)  # fmt: skip
def test_the_next_command_is_the_one_that_helps(header, edits, folder, following, show):
    cure = Prescription("Clear the gradients.", edits=edits)
    finding = Finding("missing-zero-grad", "Gradients pile up.", prescriptions=(cure,))
    run = fake_run({LOSS: [1.0] * 30}, [header])
    text = show((Diagnosis((finding,)), run), folder=folder)
    assert text.rstrip().endswith(f"Next: {following}")
