"""One pitfall as a page, for readers, for machines and for the docs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import ClassVar

import pytest

from penlight import page
from penlight.core.facts import Hygiene
from penlight.core.finding import Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.vocabulary import LOSS


class SleepyStudent(Pitfall):
    """The student sleeps through the lecture.

    A lamp that is on in an
    empty room.

    ## What happens
    Nothing.

    ## Symptoms
    - The loss snores.

    ## Causes
    - Lunch.

    ## When not to worry
    In the holidays.

    ## References
    - A. Pillow, On Sleep.
    """

    family = "attention"
    needs = (LOSS, Hygiene)
    caused_by = ("big-lunch",)
    looks_like: ClassVar = {"big-lunch": "A big lunch shows at the belt."}
    naps: float = limit(3.0, why="fewer | than three are only human, as measured in 12 lectures")
    prescriptions = (
        Prescription("Open a window", "Fresh air wakes.", "the window is a painting"),
        Prescription("Drink coffee.", because="it helps"),
    )
    demo = Demo("coffee = 0\nprint(coffee)\n", (("= 0", "= 2"),))

    def detect(self, run):
        return iter(())


class BigLunch(SleepyStudent):
    """Too much was eaten."""

    family = "food"
    caused_by = ()
    looks_like: ClassVar = {}
    needs = ()
    prescriptions = ()
    demo = None


@pytest.fixture(autouse=True)
def _cards(monkeypatch):
    known = {c.name: c for c in (BigLunch(), SleepyStudent())}
    monkeypatch.setattr(page, "catalogue", lambda: known)


@pytest.fixture(scope="module")
def generator():
    path = Path(__file__).parent.parent / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_in_full():
    assert page.markdown(SleepyStudent()) == (
        """\
# sleepy-student

**The student sleeps through the lecture.** Family: attention.

> A lamp that is on in an empty room.

## What happens

Nothing.

## Symptoms

- The loss snores.

## Causes

- Lunch.

## When not to worry

In the holidays.

## Told apart from

- `big-lunch`: A big lunch shows at the belt.

## Related pitfalls

- Can be caused by `big-lunch`.

## What to change

1. Open a window. Fresh air wakes. Not if the window is a painting.
2. Drink coffee. Because it helps.

## Limits

| Limit | Value | Why |
| --- | ---: | --- |
| `naps` | 3 | fewer \\| than three are only human, as measured in 12 lectures |

## Signals needed

- `loss`: The value handed to backward(), averaged over the backward passes since the last step.
- `hygiene`: Counts about the order of calls in the training loop; the last one written counts.

## Demo

`penlight demo sleepy-student` runs this script and its cured form, and shows both.

```python
coffee = 0
print(coffee)
```

The cure:

```diff
--- demo.py
+++ cured.py
@@ -1,2 +1,2 @@
-coffee = 0
+coffee = 2
 print(coffee)
```

## References

- A. Pillow, On Sleep.
"""
    )


def test_page_without_the_script_keeps_the_cure():
    text = page.markdown(SleepyStudent(), demo=False)
    assert "```python" not in text
    assert "+coffee = 2" in text


def test_what_is_missing_leaves_no_empty_heading():
    text = page.markdown(BigLunch(), links=True)
    assert "## Demo" not in text
    assert "## Limits" not in text
    assert "- Can cause [sleepy-student](sleepy-student.md)." in text


def test_json():
    told = page.to_json(SleepyStudent())
    assert told["causes"] == []
    assert told["looks_like"] == {"big-lunch": "A big lunch shows at the belt."}
    assert told["needs"] == ["loss", "hygiene"]
    assert told["limits"]["naps"]["value"] == 3.0
    assert told["demo"]["cured"] == "coffee = 2\nprint(coffee)\n"
    assert page.to_json(BigLunch())["causes"] == ["sleepy-student"]


def test_generated_docs(generator, tmp_path):
    stale = tmp_path / "pitfalls" / "gone.md"
    stale.parent.mkdir()
    stale.write_text("old")
    assert generator.generate(tmp_path, [SleepyStudent(), BigLunch()]) == 2
    assert not stale.exists()
    assert (tmp_path / "pitfalls" / "index.md").read_text() == (
        "# Pitfalls\n\n"
        "## Attention\n\n"
        "- [sleepy-student](sleepy-student.md): The student sleeps through the lecture\n\n"
        "## Food\n\n"
        "- [big-lunch](big-lunch.md): Too much was eaten\n"
    )
    assert generator.broken_links(tmp_path.rglob("*.md")) == []


def test_broken_links_are_told(generator, tmp_path):
    text = (
        "# One thing\n[a](b.md) [c](#one-thing) [d](#two) [e](https://x.org/y) `[f](g.md)`\n"
        "```\n[h](i.md)\n```\n[j](page.md#one-thing)\n"
    )
    file = tmp_path / "page.md"
    file.write_text(text)
    assert generator.broken_links([file]) == [f"{file}: b.md", f"{file}: #two"]
