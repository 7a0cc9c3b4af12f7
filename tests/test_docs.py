"""The documentation: the site builds, nothing in it leads nowhere, and its examples are true."""

from __future__ import annotations

import importlib.util
import re
import types
from pathlib import Path

import pytest

from penlight.catalogue import catalogue
from penlight.cli import VERBS

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def generator() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(generator: types.ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages of the site, as they are handed to mkdocs."""
    out = tmp_path_factory.mktemp("pages")
    generator.generate(out, catalogue().values())
    generator.stage(out)
    return out


def code(page: str) -> list[str]:
    """The Python samples of a page."""
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)


def test_no_link_leads_nowhere(generator, pages):
    staged = list(pages.rglob("*.md"))
    assert len(staged) > len(catalogue()) + 10
    assert generator.broken_links(staged) == []


def test_every_page_is_in_the_navigation(pages):
    named = set(re.findall(r": (\S+\.md)$", (DOCS / "mkdocs.yml").read_text(), re.M))
    assert named == {x.name for x in DOCS.glob("*.md")}


def test_a_link_out_of_the_docs_is_bent(generator, tmp_path):
    root = tmp_path / "repository"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "notes").mkdir()
    (root / "README.md").write_text("# Read me\n")
    (root / "notes" / "table.md").write_text("# Table\n\n[back](../docs/a.md)\n")
    (root / "docs" / "a.md").write_text(
        "# A\n\n[t](../notes/table.md#table) [r](../README.md) [s](../run.py) [x](https://x.org)\n"
        "\n```\n[code](nowhere.md)\n```\n"
    )
    (root / "docs" / "deep" / "b.md").write_text("[a](../a.md) [p](../_generated/p/index.md)\n")
    out = tmp_path / "out"
    assert generator.stage(out, root / "docs", root) == 3
    assert (out / "a.md").read_text() == (
        "# A\n\n[t](notes/table.md#table) [r](index.md) s [x](https://x.org)\n"
        "\n```\n[code](nowhere.md)\n```\n"
    )
    assert "[back](../a.md)" in (out / "notes" / "table.md").read_text()
    assert (out / "deep" / "b.md").read_text() == "[a](../a.md) [p](../p/index.md)\n"


@pytest.mark.slow
def test_the_site_builds_and_asks_nobody_for_anything(generator, tmp_path):
    pytest.importorskip("material")
    site = tmp_path / "site"
    assert generator.main([]) == 0
    assert generator.build(site) == 0
    made = list(site.rglob("*.html"))
    for name in ("index.html", "pitfalls/vanishing-gradient.html", "light.html", "ci.html"):
        assert site / name in made
    assert (site / "llms.txt").is_file()
    assert (site / "quickstart.md").is_file()
    for page in made:
        foreign = re.findall(
            r"<(?:script|link|img)\b[^>]*\b(?:src|href)=\"https?:[^\"]*", page.read_text()
        )
        assert not [x for x in foreign if 'rel="canonical"' not in x], page
    css = "".join(x.read_text() for x in site.rglob("*.css"))
    assert not re.findall(r"url\([\"']?https?:", css)


def test_llms_txt_knows_every_verb_and_page(pages):
    text = (DOCS / "llms.txt").read_text()
    assert text.startswith("# Penlight\n\n> ")
    assert set(VERBS) <= set(re.findall(r"`penlight ([a-z]+)`", text))
    links = re.findall(r"^- \[[^]]+\]\(([^)]+)\): \S", text, re.M)
    assert links == list(dict.fromkeys(links))
    assert all((pages / link).is_file() for link in links)
    hand_written = {x.name for x in DOCS.glob("*.md")} - {"index.md"}
    assert hand_written <= set(links)


def test_every_schema_is_named_for_agents():
    text = (DOCS / "agents.md").read_text()
    named = set(re.findall(r"\(schema/([a-z.]+json)\)", text))
    assert named == {x.name for x in (DOCS / "schema").iterdir()}


def test_the_pitfall_of_the_docs_works():
    sample, tests = code("add-a-pitfall.md")
    space: dict[str, object] = {}
    exec(compile(sample, "zero_rate.py", "exec"), space)  # noqa: S102  # our own page
    exec(compile(tests, "test_zero_rate.py", "exec"), space)  # noqa: S102
    names = [name for name in space if name.startswith("test_")]
    assert len(names) == 3
    for name in names:
        space[name]()  # type: ignore[operator]
