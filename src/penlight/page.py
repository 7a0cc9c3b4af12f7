"""One pitfall, one page: the Markdown that `explain`, the docs and the reports share."""

from __future__ import annotations

import difflib
import textwrap
from typing import Any

from penlight.catalogue import catalogue
from penlight.core.finding import Prescription
from penlight.core.pitfall import HEADINGS, Demo, Pitfall
from penlight.core.vocabulary import Signal

WIDTH = 96  # of the lines made here; a card's own lines stay as they are
LAST = "References"  # everything of ours stands before it


def markdown(pitfall: Pitfall, *, demo: bool = True, links: bool = False) -> str:
    """The whole page.

    Args:
        pitfall: the pitfall.
        demo: whether the demo's script is part of it; its cure always is.
        links: whether other pitfalls are links to `NAME.md` beside this page.
    """
    parts = [
        f"# {pitfall.name}",
        f"**{pitfall.title}.** Family: {pitfall.family}.",
        _filled("> ", "> ", pitfall.picture),
        *(_section(h, pitfall.section(h)) for h in HEADINGS if h != LAST),
        _section("Told apart from", _apart(pitfall, links)),
        _section("Related pitfalls", _related(pitfall, links)),
        _section("What to change", _prescriptions(pitfall.prescriptions)),
        _section("Limits", _limits(pitfall)),
        _section("Signals needed", _needs(pitfall)),
        _section("Demo", _demo(pitfall.name, pitfall.demo, demo) if pitfall.demo else ""),
        _section(LAST, pitfall.section(LAST)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(pitfall: Pitfall) -> dict[str, Any]:
    """The same content for machines."""
    demo = pitfall.demo
    return {
        "name": pitfall.name,
        "title": pitfall.title,
        "family": pitfall.family,
        "picture": pitfall.picture,
        "sections": {h: pitfall.section(h) for h in HEADINGS},
        "caused_by": list(pitfall.caused_by),
        "causes": consequences(pitfall.name),
        "looks_like": dict(pitfall.looks_like),
        "prescriptions": [
            {"do": p.do, "because": p.because, "unless": p.unless} for p in pitfall.prescriptions
        ],
        "limits": {k: {"value": v.default, "why": v.why} for k, v in pitfall.limits.items()},
        "needs": [name for name, _ in needs(pitfall)],
        "demo": {"script": demo.script, "cured": demo.cured} if demo else None,
    }


def consequences(name: str) -> list[str]:
    """The pitfalls that this one can bring about."""
    return [other for other, card in catalogue().items() if name in card.caused_by]


def needs(pitfall: Pitfall) -> list[tuple[str, str]]:
    """What the detector reads: name and meaning of each signal and fact."""
    return [
        (need.name, need.doc)
        if isinstance(need, Signal)
        else (need.kind, (need.__doc__ or "").strip().split("\n", 1)[0])
        for need in pitfall.needs
    ]


def cure_diff(demo: Demo) -> str:
    """The demo's cure as a unified diff."""
    return "".join(
        difflib.unified_diff(
            demo.script.splitlines(keepends=True),
            demo.cured.splitlines(keepends=True),
            "demo.py",
            "cured.py",
            n=1,
        )
    )


def reasons(remedy: Prescription) -> str:
    """Why a change helps and when it is wrong, as sentences that follow it; '' when not told.

    Authors write a whole sentence, or the half of one that follows "because" or "unless".
    """
    said = ""
    if remedy.because:
        whole = remedy.because[0].isupper()
        said += f" {'' if whole else 'Because '}{_sentence(remedy.because)}"
    if remedy.unless:
        whole = remedy.unless[0].isupper()
        said += f" {'' if whole else 'Not if '}{_sentence(remedy.unless)}"
    return said


def _section(heading: str, text: str) -> str:
    return f"## {heading}\n\n{text}" if text else ""


def _named(name: str, links: bool) -> str:
    return f"[{name}]({name}.md)" if links and name in catalogue() else f"`{name}`"


def _apart(pitfall: Pitfall, links: bool) -> str:
    return "\n".join(
        _filled("- ", "  ", f"{_named(name, links)}: {_sentence(says)}")
        for name, says in sorted(pitfall.looks_like.items())
    )


def _related(pitfall: Pitfall, links: bool) -> str:
    def listed(names: list[str]) -> str:
        return ", ".join(_named(n, links) for n in sorted(names))

    lines = []
    if pitfall.caused_by:
        lines.append(f"- Can be caused by {listed(list(pitfall.caused_by))}.")
    later = consequences(pitfall.name)
    if later:
        lines.append(f"- Can cause {listed(later)}.")
    return "\n".join(lines)


def _prescriptions(remedies: tuple[Prescription, ...]) -> str:
    return "\n".join(
        _filled(f"{i}. ", "   ", f"{_sentence(remedy.do)}{reasons(remedy)}")
        for i, remedy in enumerate(remedies, 1)
    )


def _limits(pitfall: Pitfall) -> str:
    if not pitfall.limits:
        return ""
    rows = [
        f"| `{name}` | {limit.default:g} | {_cell(limit.why)} |"
        for name, limit in pitfall.limits.items()
    ]
    return "\n".join(["| Limit | Value | Why |", "| --- | ---: | --- |", *rows])


def _needs(pitfall: Pitfall) -> str:
    return "\n".join(_filled("- ", "  ", f"`{name}`: {doc}") for name, doc in needs(pitfall))


def _demo(name: str, demo: Demo, whole: bool) -> str:
    parts = [f"`penlight demo {name}` runs this script and its cured form, and shows both."]
    if whole:
        parts.append(_fenced("python", demo.script))
    parts += ["The cure:", _fenced("diff", cure_diff(demo))]
    return "\n\n".join(parts)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.strip(chr(10))}\n```"


def _filled(first: str, other: str, text: str) -> str:
    """Text in lines of a width that can be read unrendered; '' stays ''."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=other,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "?")) else f"{text}."
