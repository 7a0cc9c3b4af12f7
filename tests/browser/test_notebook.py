"""What `penlight.watch` returns, as a notebook shows it: a frame inside somebody else's page."""

from __future__ import annotations

from penlight.core.facts import Header, Module
from penlight.core.vocabulary import LOSS, OUTPUT_GRAD
from penlight.library import Seen
from penlight.store.memory import MemorySink

EVIL = "<img src=x onerror=alert(1)>"


def test_a_cell_shows_the_page(tmp_path, visit):
    sink = MemorySink()
    sink.event(Header(script=f"{EVIL}\"'>", mode="watch").to_event())
    for i in range(5):
        sink.event(Module(name=f"net.{i}", type="Linear", order=i).to_event())
        sink.points(OUTPUT_GRAD.name, f"net.{i}", range(30), [0.5 ** (4 - i)] * 30)
    sink.points(LOSS.name, "SGD#0", range(30), [1 / (i + 1) for i in range(30)])
    notebook = tmp_path / "notebook.html"
    shown = Seen(sink)._repr_html_()
    notebook.write_text(f"<!doctype html><title>n</title><p>cell</p>{shown}", encoding="utf-8")
    seen = visit(notebook.as_uri())
    inside = seen.page.frame_locator("iframe")
    assert inside.locator("#light .pane").count() == 5
    assert "30 training steps" in inside.locator(".crumb").inner_text()
    assert EVIL in inside.locator(".crumb").inner_text()
    inside.locator(".pane").last.click()
    assert inside.locator("#history").is_visible()
    inside.locator("#theme").click()
    assert seen.page.locator("iframe").count() == 1
    assert [x for x in seen.requests if not x.startswith(("file:", "about:", "data:"))] == []
