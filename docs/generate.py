"""Writes docs/_generated: a page for each pitfall and a list of them all. Run it with ./do docs."""

from pathlib import Path

from penlight.catalogue import catalogue

OUT = Path(__file__).parent / "_generated"

OUT.mkdir(exist_ok=True)
for old in OUT.glob("*.md"):
    old.unlink()
rows = ["# Pitfalls\n"]
for name, pitfall in catalogue().items():
    title, _, rest = pitfall.card.partition("\n")
    (OUT / f"{name}.md").write_text(f"# {title}\n\n`{name}`\n{rest}\n", encoding="utf-8")
    rows.append(f"- [{name}]({name}.md): {title}")
(OUT / "index.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
print(f"{len(rows) - 1} pitfalls: {OUT / 'index.md'}")
