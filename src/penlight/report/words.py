"""How the report says numbers, times, places and names. Standard library only."""

from __future__ import annotations

import math
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the status line lives inside somebody's training: no numpy on its account
    from penlight.core.finding import Finding

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_SPACES = frozenset("\t\n\v\f\r\x85\u2028\u2029")
_SIZES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_ASCII = str.maketrans(
    {
        "→": "->",
        "←": "<-",
        "×": "x",
        "·": "-",
        "•": "-",
        "–": "-",
        "—": "-",
        "−": "-",
        "…": "...",
        "≤": "<=",
        "≥": ">=",
        "≈": "~",
        "≠": "!=",
        "±": "+-",
        "∞": "inf",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "µ": "u",
        "²": "^2",
    }
)


def clean(text: str) -> str:
    """Data from a run as harmless text: no escape sequences, no control or invisible characters."""
    text = _ESCAPES.sub("", text)
    kept = (" " if c in _SPACES else c for c in text)
    return "".join(c for c in kept if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})


def ascii_only(text: str) -> str:
    """The same text for a terminal or log that knows no Unicode."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def short(name: str, most: int = 40) -> str:
    """A name with its middle left out when it is long: the ends tell names apart."""
    half = (most - 3) // 2
    return name if len(name) <= most else f"{name[:half]}...{name[-half:]}"


def sentence(text: str) -> str:
    """The text with a full stop at its end."""
    text = text.rstrip()
    return text if not text or text[-1] in ".?:" else f"{text}."


def capital(text: str) -> str:
    """The text with a capital first letter, where its first word is an ordinary one."""
    first = text.split(maxsplit=1)[0] if text.split() else ""
    return text[:1].upper() + text[1:] if first.rstrip(",:;").isalpha() else text


def count(value: int, one: str, many: str = "") -> str:
    """`1 step`, `1,200 steps`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def number(value: float) -> str:
    """Three digits where they help, powers of ten only where a plain number would not fit."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    size = abs(value)
    if value == int(value) and size < 1e9:
        return f"{int(value):,}"
    if size < 1e-3 or size >= 1e9:
        return f"{value:.2g}"
    return f"{value:,.0f}" if size >= 100 else f"{value:.3g}"


def digits(value: float) -> str:
    """Always three digits, for numbers that stand beside each other: `2.31 → 2.30`."""
    if not math.isfinite(value) or value == 0 or not 1e-3 <= abs(value) < 1e3:
        return number(value)
    return f"{value:#.3g}".rstrip(".")


def part(value: float) -> str:
    """A part of a whole as people say it: `38%`, `1 in 40,000`, `12 times`."""
    if not math.isfinite(value) or value < 0:
        return number(value)
    if value == 0:
        return "none"
    if value > 1.005:
        return f"{number(float(f'{value:.2g}'))} times"
    if value >= 0.01:
        return f"{100 * value:.0f}%" if value >= 0.1 else f"{100 * value:.2g}%"
    n = float(f"{1 / value:.2g}")
    if n < 1e6:
        return f"1 in {n:,.0f}"
    for size, word in ((1e6, "million"), (1e9, "billion"), (1e12, "trillion")):
        if n < 1000 * size:
            return f"1 in {n / size:.3g} {word}"
    return f"1 in {n:.0e}"


def tiny(value: float) -> str:
    """A part of a whole in at most six characters, for a label under a picture."""
    if not math.isfinite(value):
        return "?"
    if value == 0:
        return "0"
    if value >= 1e4 or value < 1e-12:
        return f"{value:.0e}"
    if value >= 0.995:
        return f"{value:.0f}" if value >= 9.5 else f"{value:.2g}"
    if value >= 0.01:
        return f"{value:.2f}"
    n = float(f"{1 / value:.2g}")
    size, letter = next(x for x in _SIZES if n >= x[0])
    return f"1/{n / size:.3g}{letter}"


def duration(seconds: float) -> str:
    """`0.3 s`, `12 s`, `14 min`, `3 h 20 min`."""
    if seconds < 0.05:
        return "under 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def sure(finding: Finding) -> str:
    """How far the finding can be trusted, in words and per cent."""
    if finding.exact:
        return "proven"
    percent = min(99, round(100 * finding.confidence))
    if percent >= 95:
        return f"{percent}% sure"
    return f"{'likely' if percent >= 60 else 'possible'}, {percent}% sure"


def since(step: int | None) -> str:
    """When a finding began; '' when unknown."""
    if step is None:
        return ""
    return "the first step" if step <= 0 else f"step {step:,}"


def place(path: str) -> str:
    """A source place as short as it can be clicked: relative where it lies below here."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path
