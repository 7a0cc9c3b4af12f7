"""The terminal report, as a reader sees it."""

from __future__ import annotations

import pytest

PAGES = [
    ("vanishing", 80, "utf-8"),
    ("vanishing", 40, "utf-8"),
    ("vanishing", 120, "utf-8"),
    ("vanishing", 80, "ascii"),
    ("healthy", 80, "utf-8"),
    ("healthy", 40, "ascii"),
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
