"""`penlight explain NAME`: the card of one pitfall, or the cards that match a symptom."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import click

from penlight import page
from penlight.catalogue import catalogue, pitfall
from penlight.cli import output
from penlight.cli.output import echo, sheet
from penlight.core.pitfall import Pitfall
from penlight.errors import PenlightError

MOST = 6  # answers to a symptom
TITLE_WEIGHT, SYMPTOM_WEIGHT = 2.0, 1.0
_WORD = re.compile(r"[a-z0-9]+")
_COMMON = frozenset(
    _WORD.findall(
        "a all and are as at be but by do does for from has have i if in is it its my no not of "
        "on or so than that the then this to too very was when with"
    )
)


def _stem(word: str) -> str:
    """The word without its commonest endings: `rises`, `rising` and `rise` are one."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


# Words that users and cards exchange for each other; each stands for its group's first.
_SYNONYMS = {
    _stem(word): _stem(group[0])
    for group in (
        ("flat", "plateau", "stuck", "constant", "stagnate", "stall"),
        ("nan", "inf", "infinite", "nonfinite", "infinity"),
        ("diverge", "explode", "blow"),
        ("rise", "increase", "grow", "up", "climb"),
        ("fall", "decrease", "drop", "down", "sink"),
        ("slow", "slowly"),
        ("validation", "test"),
    )
    for word in group
}


@click.command()
@click.argument("name", required=False)
@click.option("--symptom", metavar="WORDS", help='What you see, e.g. "the loss is flat".')
@click.option("--markdown", is_flag=True, help="The whole page as Markdown, with the demo script.")
@output.as_json
def command(name: str | None, symptom: str | None, markdown: bool, as_json: bool) -> None:
    """Explain one pitfall: what happens, how it shows, what to change.

    `penlight pitfalls` lists the names.
    """
    if (name is None) == (symptom is None):
        raise click.UsageError("Name one pitfall, or describe what you see with --symptom.")
    if symptom is not None:
        _answer(symptom, as_json)
    elif name is not None:
        _show(pitfall(name), markdown, as_json)


def by_symptom(text: str, cards: Iterable[Pitfall]) -> list[Pitfall]:
    """The cards that share words with the text, most telling first.

    A word counts for more in a title than among the symptoms, and for less the more cards use it.
    """
    asked = _words(text)
    cards = list(cards)
    titles = [_words(f"{card.name} {card.title}") for card in cards]
    symptoms = [_words(card.section("Symptoms")) for card in cards]
    used = Counter(w for t, s in zip(titles, symptoms, strict=True) for w in t | s)
    scores = [
        sum(TITLE_WEIGHT / used[w] for w in asked & title)
        + sum(SYMPTOM_WEIGHT / used[w] for w in asked & seen)
        for title, seen in zip(titles, symptoms, strict=True)
    ]
    found = [(score, card) for score, card in zip(scores, cards, strict=True) if score > 0]
    return [card for _, card in sorted(found, key=lambda x: (-x[0], x[1].name))]


def _answer(symptom: str, as_json: bool) -> None:
    found = by_symptom(symptom, catalogue().values())[:MOST]
    if as_json:
        output.echo_json([{"name": x.name, "title": x.title} for x in found])
        return
    if not found:
        raise PenlightError(
            f"No card speaks of {symptom!r}. Try other words; `penlight pitfalls` lists all.", 1
        )
    out = sheet()
    out.write("Pitfalls that show like this, the nearest first:")
    out.blank()
    out.entries([(x.name, x.title) for x in found])
    out.blank()
    out.write("Next: ", (f"penlight explain {found[0].name}", "bold"))


def _show(card: Pitfall, markdown: bool, as_json: bool) -> None:
    if as_json:
        output.echo_json(page.to_json(card))
        return
    out = sheet()
    if markdown or out.ascii or not out.console.is_terminal:
        echo(page.markdown(card, demo=markdown).rstrip("\n"))
        return
    from rich.markdown import Markdown

    out.console.print(Markdown(page.markdown(card, demo=False)), width=out.width)


def _words(text: str) -> set[str]:
    found = (_stem(w) for w in _WORD.findall(text.lower()) if w not in _COMMON)
    return {_SYNONYMS.get(word, word) for word in found}
