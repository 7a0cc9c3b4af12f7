"""Writes docs/_generated: every page of the site, in Markdown. Run it with ./do docs.

The pitfalls' pages come from the catalogue; the hand-written pages, and those of the repository
that they link to, are copied, their links bent to the new places. With --site, mkdocs then builds
docs/_site from them. With --check every link in the documentation is followed, and the command
fails with a list of those that lead nowhere. This file is also mkdocs' hook: see `on_config`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penlight.catalogue import catalogue
from penlight.core.pitfall import Pitfall
from penlight.page import markdown

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
OUT = DOCS / "_generated"
SITE = DOCS / "_site"
COPIED = {".md", ".json", ".png", ".txt", ".css"}
ANY_LINK = re.compile(r"\[(?P<text>[^\]\n]*)\]\((?P<to>[^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```.*?^ *```", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#+ +(.+)$", re.M)


def generate(out: Path, cards: Iterable[Pitfall]) -> int:
    """Write the pages of all pitfalls anew; how many there are."""
    folder = out / "pitfalls"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    cards = sorted(cards, key=lambda card: (card.family, card.name))
    for card in cards:
        (folder / f"{card.name}.md").write_text(markdown(card, links=True), encoding="utf-8")
    (folder / "index.md").write_text(index(cards), encoding="utf-8")
    return len(cards)


def stage(out: Path, docs: Path = DOCS, root: Path = ROOT) -> int:
    """Copy the hand-written pages, and what they lead to in the repository; how many files."""
    todo = [x for x in docs.rglob("*") if x.suffix in COPIED and "_" not in _first(x, docs)]
    done: set[Path] = set()
    while todo:
        source = todo.pop()
        if source in done:
            continue
        done.add(source)
        target = out / _home(source, docs, root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            text, found = _bent(source, docs, root)
            todo += found
            target.write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(source, target)
    return len(done)


def _first(path: Path, folder: Path) -> str:
    """The first letter of a path's first part below a folder."""
    return path.relative_to(folder).parts[0][:1]


def _home(path: Path, docs: Path, root: Path) -> Path:
    """Where a file of the repository stands in the site."""
    if path == root / "README.md":
        return Path("index.md")
    return path.relative_to(docs if path.is_relative_to(docs) else root)


def _bent(source: Path, docs: Path, root: Path) -> tuple[str, list[Path]]:
    """A page with its links as the site needs them, and the files that they lead to.

    What is no page, such as a script or a folder, is named instead of linked.
    """
    here = _home(source, docs, root).parent
    found: list[Path] = []

    def bend(link: re.Match[str]) -> str:
        name, mark, anchor = link["to"].partition("#")
        if not name or re.match(r"[a-z]+:", name):
            return link[0]
        goal = (source.parent / name).resolve()
        if goal.is_relative_to(made := docs / "_generated"):
            to = Path(os.path.relpath(goal.relative_to(made), here)).as_posix()
            return f"[{link['text']}]({to}{mark}{anchor})"
        if goal.suffix not in COPIED or not goal.is_file():
            return link["text"]
        if goal != root / "README.md":
            found.append(goal)
        to = Path(os.path.relpath(_home(goal, docs, root), here)).as_posix()
        return f"[{link['text']}]({to}{mark}{anchor})"

    parts = re.split(f"({FENCE.pattern})", source.read_text(encoding="utf-8"), flags=FENCE.flags)
    return "".join(x if i % 2 else ANY_LINK.sub(bend, x) for i, x in enumerate(parts)), found


def on_config(config: Any) -> Any:
    """mkdocs calls this: give the navigation a page for each pitfall, by family."""
    families: dict[str, list[dict[str, str]]] = {}
    for card in sorted(catalogue().values(), key=lambda card: (card.family, card.name)):
        pages = families.setdefault(f"{card.family[:1].upper()}{card.family[1:]}", [])
        pages.append({card.name: f"pitfalls/{card.name}.md"})
    config["nav"] = [
        {"Pitfalls": [*entry["Pitfalls"], *({k: v} for k, v in families.items())]}
        if "Pitfalls" in entry
        else entry
        for entry in config["nav"]
    ]
    return config


def build(site: Path = SITE) -> int:
    """Let mkdocs make the site of the staged pages; its exit status."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    status = subprocess.run(
        [*command, "--config-file", str(DOCS / "mkdocs.yml"), "--site-dir", str(site)],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},  # the theme's, on its own future
        check=False,
    ).returncode
    if status:
        return status
    for page in OUT.rglob("*.md"):  # llms.txt leads to the pages as they were written
        target = site / page.relative_to(OUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, target)
    return 0


def index(cards: Iterable[Pitfall]) -> str:
    """The list of all pitfalls, by family; the cards come sorted."""
    lines = ["# Pitfalls", ""]
    family = None
    for card in cards:
        if card.family != family:
            family = card.family
            lines += [f"## {family[:1].upper()}{family[1:]}", ""]
        lines += [f"- [{card.name}]({card.name}.md): {card.title}"]
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
    """Generate, build the site or check the links when asked to, say what was done."""
    if OUT.exists():
        shutil.rmtree(OUT)
    count = generate(OUT, catalogue().values())
    print(f"{count} pitfalls and {stage(OUT)} other files: {OUT}")
    if "--check" in words:
        pages = [*ROOT.glob("*.md"), *(x for x in DOCS.rglob("*.md") if SITE not in x.parents)]
        broken = broken_links(pages)
        for line in broken:
            print(f"leads nowhere: {line}")
        print(f"{len(pages)} pages checked, {len(broken)} broken links")
        if broken:
            return 1
    if "--site" in words:
        if importlib.util.find_spec("mkdocs") is None:
            print("The site is built by mkdocs: pip install 'penlight[docs]'", file=sys.stderr)
            return 2
        if status := build():
            return status
        print(f"the site: {SITE / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
