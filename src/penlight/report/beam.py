"""The flashlight: how much of the learning signal is left at each layer, as one strip of text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from penlight.report.words import tiny

FEWEST = 4  # layers that make a picture worth looking at
DECADES = 8.0  # from full light to darkness
WIDEST, NARROWEST = 11, 2  # columns of one pane
_SHADES = {True: " .-+#", False: " ░▒▓█"}
_PALETTE = ((22, 16, 40), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 246, 190))


def beam(light: Mapping[str, float], width: int, *, colour: bool, ascii_only: bool) -> list[Text]:
    """Draw the beam: names above, one pane a layer, numbers below, the lamp at the right.

    With colour the beam is two rows high. Where the layers outnumber the columns, evenly spaced
    ones stand for all; the first and the last are always among them.
    """
    lamp = "< loss" if ascii_only else "◄ loss"
    glass = "|" if ascii_only else "│"
    room = width - len(lamp) - 2
    names = _spaced(list(light), max(2, room // (NARROWEST + 1)))
    pane = min(WIDEST, room // len(names) - 1)
    strip = Text(glass, "dim")
    lit = colour and not ascii_only
    for name in names:
        shade, style = _shade(light[name], lit=lit, ascii_only=ascii_only)
        strip.append(shade * pane, style)
        strip.append(glass, "dim")
    starts = [1 + i * (pane + 1) for i in range(len(names))]
    end = len(names) * (pane + 1)
    return [
        _labels(names, starts, end, ascii_only=ascii_only),
        *([strip] if lit else []),
        Text.assemble(strip, (lamp, "bold")),
        _labels([tiny(light[name]) for name in names], starts, end, ascii_only=ascii_only),
    ]


def brightness(value: float) -> float:
    """0 for darkness, 1 for the light at the lamp, even steps a decade."""
    if not value > 0:
        return 0.0
    return min(1.0, max(0.0, 1 + math.log10(value) / DECADES)) if math.isfinite(value) else 1.0


def _shade(value: float, *, lit: bool, ascii_only: bool) -> tuple[str, Style | str]:
    bright = brightness(value)
    if lit:
        return "█", Style.parse("rgb({},{},{})".format(*_mix(bright)))
    shades = _SHADES[ascii_only]
    level = sum(bright > edge for edge in (0.05, 0.35, 0.65, 0.9))
    return shades[level], ""


def _mix(bright: float) -> tuple[int, int, int]:
    at = bright * (len(_PALETTE) - 1)
    low = min(int(at), len(_PALETTE) - 2)
    red, green, blue = (
        round(a + (b - a) * (at - low))
        for a, b in zip(_PALETTE[low], _PALETTE[low + 1], strict=True)
    )
    return red, green, blue


def _spaced(names: Sequence[str], most: int) -> list[str]:
    if len(names) <= most:
        return list(names)
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]


def _labels(labels: Sequence[str], starts: Sequence[int], end: int, *, ascii_only: bool) -> Text:
    """Labels over their panes: the first and the last for sure, the others where they fit."""
    row = [" "] * (end + 1)
    taken: list[tuple[int, int]] = []
    order = [0, len(labels) - 1, *range(1, len(labels) - 1)]
    for i in order:
        label = _cut(labels[i], (end - 3) // 2, ascii_only=ascii_only)
        size = cell_len(label)
        start = min(starts[i], end - size)
        if any(start <= right and left <= start + size for left, right in taken):
            continue
        taken.append((start, start + size))
        # A wide character holds two columns: the second one stays empty.
        row[start : start + size] = [*label, *[""] * (size - len(label))]
    return Text("".join(row).rstrip(), "dim")


def _cut(label: str, most: int, *, ascii_only: bool) -> str:
    if cell_len(label) <= most:
        return label
    mark = "~" if ascii_only else "…"
    return set_cell_size(label, max(1, most - 1)).rstrip() + mark
