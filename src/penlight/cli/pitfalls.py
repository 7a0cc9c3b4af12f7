"""`penlight pitfalls`: everything that is looked for."""

from __future__ import annotations

from collections.abc import Iterable

import click

from penlight.catalogue import catalogue
from penlight.cli import output
from penlight.cli.output import sheet
from penlight.core.pitfall import Pitfall
from penlight.errors import PenlightError
from penlight.report.words import count


@click.command()
@click.option("--family", metavar="NAME", help="Only this family; the start of its name will do.")
@output.as_json
def command(family: str | None, as_json: bool) -> None:
    """List the pitfalls that are looked for, by family."""
    families = by_family(catalogue().values())
    if family is not None:
        known = ", ".join(families)
        families = {k: v for k, v in families.items() if k.lower().startswith(family.lower())}
        if not families:
            raise PenlightError(f"No family is called {family!r}. There are: {known}.")
    cards = [card for group in families.values() for card in group]
    if as_json:
        output.echo_json([{"name": x.name, "family": x.family, "title": x.title} for x in cards])
        return
    out = sheet()
    for name, group in families.items():
        out.write((name, "bold"))
        out.entries([(x.name, x.title) for x in group], room=max(len(x.name) for x in cards))
        out.blank()
    out.write(f"{count(len(cards), 'pitfall')}. Next: ", ("penlight explain NAME", "bold"))


def by_family(cards: Iterable[Pitfall]) -> dict[str, list[Pitfall]]:
    """The cards of each family, families and cards in alphabetical order."""
    families: dict[str, list[Pitfall]] = {}
    for card in sorted(cards, key=lambda x: (x.family, x.name)):
        families.setdefault(card.family, []).append(card)
    return families
