"""Writes docs/_generated: a page for each pitfall and an index by family. Run it with ./do docs.

With --check it also follows every link in the documentation, the generated pages included, and
fails with a list of those that lead nowhere.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from penlight.catalogue import catalogue
from penlight.core.pitfall import Pitfall
from penlight.page import markdown

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "_generated"
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```.*?^ *```", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#+ +(.+)$", re.M)


def generate(out: Path, cards: Iterable[Pitfall]) -> int:
    """Write all pages anew; how many pitfalls there are."""
    folder = out / "pitfalls"
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*out.glob("*.md"), *folder.glob("*.md")):
        old.unlink()
    cards = sorted(cards, key=lambda card: (card.family, card.name))
    for card in cards:
        (folder / f"{card.name}.md").write_text(markdown(card, links=True), encoding="utf-8")
    (out / "index.md").write_text(index(cards), encoding="utf-8")
    return len(cards)


def index(cards: Iterable[Pitfall]) -> str:
    """The list of all pitfalls, by family; the cards come sorted."""
    lines = ["# Pitfalls", ""]
    family = None
    for card in cards:
        if card.family != family:
            family = card.family
            lines += [f"## {family[:1].upper()}{family[1:]}", ""]
        lines += [f"- [{card.name}](pitfalls/{card.name}.md): {card.title}"]
    return re.sub(r"(?<!\n)\n## ", "\n\n## ", "\n".join(lines)) + "\n"


def broken_links(pages: Iterable[Path]) -> list[str]:
    """Links to files or headings that do not exist, one line each. The net is not asked."""
    broken = []
    for page in pages:
        text = CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
        broken += [
            f"{page}: {target}"
            for target in LINK.findall(text)
            if not re.match(r"[a-z]+:", target) and not _leads_somewhere(page, target)
        ]
    return broken


def _leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    goal = page.parent / name if name else page
    if not goal.exists():
        return False
    if not anchor or goal.suffix != ".md":
        return True
    headings = HEADING.findall(FENCE.sub("", goal.read_text(encoding="utf-8")))
    return anchor in {_slug(heading) for heading in headings}


def _slug(heading: str) -> str:
    """The anchor that a heading gets on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def main(words: list[str]) -> int:
    """Generate, check the links when asked to, say what was done."""
    print(f"{generate(OUT, catalogue().values())} pitfalls: {OUT / 'index.md'}")
    if "--check" not in words:
        return 0
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = broken_links(pages)
    for line in broken:
        print(f"leads nowhere: {line}")
    print(f"{len(pages)} pages checked, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
