"""The report page in a real browser."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import expect

from penlight.core.facts import End, Header, Module, Offender, Parameter
from penlight.core.finding import Diagnosis
from penlight.core.run import Run, Series
from penlight.report.html import Arm, page

EVIL = "<img src=x onerror=alert(1)>"
# The share of pixels that differ from the first one, and how many colours there are.
INK = """(canvas) => {
  const { width, height } = canvas;
  const d = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const seen = new Map();
  for (let i = 0; i < d.length; i += 4) {
    const key = `${d[i]},${d[i + 1]},${d[i + 2]},${d[i + 3]}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  return { colours: seen.size, drawn: 1 - Math.max(...seen.values()) / (d.length / 4) };
}"""

# The mean brightness of what is drawn on a canvas.
LIT = """(canvas) => {
  const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let [sum, count] = [0, 0];
  for (let i = 0; i < d.length; i += 4) {
    if (d[i + 3] < 255) continue;
    sum += (d[i] + d[i + 1] + d[i + 2]) / 3;
    count += 1;
  }
  return sum / count;
}"""


@pytest.fixture
def show(tmp_path, visit):
    """Write a page and open it."""

    def opened(*arms: Arm, width: int = 1280, scheme: str = "light", **options: object):
        context = options.pop("context", {})
        path = tmp_path / "report.html"
        path.write_text(page(*arms, **options), encoding="utf-8")
        return visit(path.as_uri(), width, scheme, **context)

    return opened


def test_every_picture_is_drawn_and_nothing_is_fetched(show, make, judge):
    run = make()
    seen = show(Arm(run, judge(run)))
    for picture in ("flow", "dead", "saturated", "loss", "updates"):
        canvas = seen.page.locator(f"#{picture} canvas").first
        ink = canvas.evaluate(INK)
        assert ink["drawn"] > 0.005, picture
        assert ink["colours"] > 3, picture
    assert seen.page.locator("#light .pane").count() == 8
    assert seen.page.locator("#light .pane.named").count() == 1
    small = seen.page.locator(".finding > .exhibits").first
    assert small.locator(".small path.trace").count() == 1
    assert small.locator(".small line.limit").count() == 1
    assert small.locator("svg.gauge").count() == 1
    assert small.locator("table.bars tbody tr").count() == 2
    assert len(seen.requests) == 1
    assert seen.requests[0].startswith("file:")


@pytest.mark.parametrize("layers", [3, 300])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_beam_has_a_pane_for_each_layer(show, make, judge, layers, width):
    run = make(layers, steps=10, names="stage.{}.linear".format)
    seen = show(Arm(run, judge(run, "stage.0.linear")), width=width)
    assert seen.page.locator("#light .pane").count() == layers
    labels = seen.page.locator("#light text.num").all_text_contents()
    assert 3 <= len(labels) <= 60
    boxes = [x.bounding_box() for x in seen.page.locator("#light text.num").all()[1:]]
    side, size = ("x", "width") if width > 560 else ("y", "height")
    boxes.sort(key=lambda b: b[side])
    for a, b in pairwise(boxes):
        assert a[side] + 0.7 * a[size] <= b[side], "labels lie on each other"


def test_numbers_under_hover_are_those_of_the_run(show, make, judge):
    run = make()
    seen = show(Arm(run, judge(run)))
    pane = seen.page.locator(".pane[data-layer='2']")
    pane.hover()
    tip = seen.page.locator(".tip")
    left = float(np.median(run.light["net.2"].values[-20:]))
    assert "net.2" in tip.inner_text()
    assert f"{100 * left:.2g}%" in tip.inner_text()
    assert "train.py:12" in tip.inner_text()
    loss = seen.page.locator("#loss .u-over")
    loss.scroll_into_view_if_needed()
    box = loss.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    said = seen.page.locator("#loss .readout").inner_text()
    step = int(said.split()[1].replace(",", ""))
    assert f"training {run.series('loss').values[step]:.3g}" in " ".join(said.split())
    heat = seen.page.locator("#flow canvas").first
    heat.scroll_into_view_if_needed()
    box = heat.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 3)
    assert "net.7 step 59: 100%" in seen.page.locator("#flow .readout").inner_text()


def test_the_beam_is_walked_with_the_keyboard(show, make, judge):
    run = make()
    keyboard = show(Arm(run, judge(run))).page
    first = keyboard.locator("#light .pane[tabindex='0']")
    assert first.count() == 1
    first.focus()
    keyboard.keyboard.press("End")
    assert keyboard.evaluate("document.activeElement.dataset.layer") == "7"
    keyboard.keyboard.press("ArrowLeft")
    assert keyboard.evaluate("document.activeElement.dataset.layer") == "6"
    assert "net.6" in keyboard.locator(".tip").inner_text()
    assert "Linear: light" in keyboard.evaluate("document.activeElement.ariaLabel").replace(
        ", L", "L"
    )
    keyboard.keyboard.press("Enter")
    history = keyboard.locator("#history")
    assert history.is_visible()
    assert "net.6" in history.inner_text()
    assert "update of weight" in history.inner_text()
    assert history.locator("canvas").first.evaluate(INK)["drawn"] > 0.003
    keyboard.keyboard.press("Escape")
    assert not history.is_visible()


def test_curves_and_heat_maps_answer_the_keyboard(show, make, judge):
    run = make()
    there = show(Arm(run, judge(run))).page
    there.locator("#loss [role=img]").focus()
    there.keyboard.press("ArrowRight")
    there.keyboard.press("ArrowRight")
    assert there.locator("#loss .readout").inner_text().startswith("step 2")
    there.locator("#flow canvas").first.focus()
    there.keyboard.press("ArrowUp")
    assert "net.1 step" in there.locator("#flow .readout").inner_text()


def test_every_picture_has_words_and_a_table(show, make, judge):
    run = make()
    there = show(Arm(run, judge(run))).page
    for svg in there.locator("main svg").all():
        named = svg.evaluate("e => !!e.closest('[aria-label],[aria-hidden=true]')")
        assert named, svg.evaluate("e => e.outerHTML.slice(0, 200)")
    for canvas in there.locator("canvas").all():
        named = canvas.evaluate("e => !!e.closest('[aria-label],[aria-hidden=true]')")
        assert named
    there.locator("[data-table=light] summary").click()
    rows = there.locator("[data-table=light] table > tr")
    expect(rows).to_have_count(8)  # it is made when the fold has opened
    assert "0.0078" in rows.first.inner_text()
    there.locator("[data-table=loss] summary").click()
    expect(there.locator("[data-table=loss] table")).to_contain_text("validation")


def test_attention_is_drawn_where_there_is_some(show, make, judge):
    run = make()
    assert show(Arm(run, judge(run))).page.locator("#logits, #attention").count() == 0
    t = np.arange(60)
    series = {(s, x): run.series(s, x) for s in ("loss", "output_grad") for x in run.sites(s)}
    for site, size in (("blocks.0.attend", 4.0), ("blocks.1.attend", 40.0)):
        values = np.linspace(1, size, 60)
        series["attention_logit", site] = Series("attention_logit", site, t, values)
        series["attention_entropy", site] = Series("attention_entropy", site, t, 1 / values)
    there = show(Arm(Run(series, run.facts), judge(run))).page
    for picture, last in (("logits", "40"), ("attention", "0.025")):
        assert there.locator(f"#{picture} canvas").first.evaluate(INK)["drawn"] > 0.003
        legend = there.locator(f"#{picture} .legend").inner_text()
        assert "blocks.0.attend (first)" in legend
        assert "blocks.1.attend (last)" in legend
        there.locator(f"[data-table={picture}] summary").click()
        expect(there.locator(f"[data-table={picture}] table > tr").last).to_contain_text(last)


def test_the_light_before_and_after_a_cure_is_in_one_card(show, make, judge):
    run = make()
    light = {
        "before": [[f"net.{i}", 10.0 ** (i - 7)] for i in range(8)],
        "after": [[f"net.{i}", 0.9 ** (7 - i)] for i in range(8)],
    }
    fix = {"trials": [], "why": "It works.", "patch": "+x", "light": light}
    there = show(Arm(run, judge(run)), fix=fix).page
    beams = there.locator(".fix #beams")
    assert beams.locator(".beam").count() == 2
    assert beams.locator("text.arm").all_text_contents() == ["without the change", "with it"]
    fills = there.locator(".stage polygon").evaluate_all("l => l.map(x => x.getAttribute('fill'))")
    assert len(set(fills)) == 3, "each beam has colours of its own"
    dark = beams.locator(".pane[data-arm='0'][data-layer='0']")
    dark.hover()
    assert "1 in 10 million of the light" in beams.locator(".tip").inner_text()
    dark.click()
    assert not there.locator("#history").is_visible()
    beams.locator(".pane[tabindex='0']").focus()
    there.keyboard.press("End")
    assert "net.7" in beams.locator(".tip").inner_text()
    there.locator("[data-table=beams] summary").click()
    expect(there.locator("[data-table=beams] table > tr")).to_have_count(16)


def test_the_data_that_a_finding_speaks_of_are_shown(show, make, judge):
    dark = (*(float(i % 28) for i in range(28 * 28 - 1)), math.nan)
    facts = [
        Offender(why="nonfinite", step=3, batch=4, row=2, whole=(1, 28, 28), shape=(28, 28),
                 values=dark),
        Offender(why="nonfinite", step=3, batch=4, row=5, whole=(5,), integral=True, shape=(5,),
                 values=(3.0, 1.0, 4.0, math.inf, 5.0)),
        Offender(why="leaked", step=9, row=1, whole=(2,), shape=(2,), values=(0.5, 0.25)),
        Offender(why="nonfinite", shape=(9, 9), values=(1.0,)),
    ]  # fmt: skip
    run = make(facts=facts)
    found = replace(judge(run).findings[0], pitfall="nonfinite-loss")
    seen = show(Arm(run, Diagnosis((found,))))
    figures = seen.page.locator("#finding-1 .samples figure")
    assert figures.count() == 2
    image = figures.nth(0).locator("img")
    assert image.evaluate("i => [i.complete, i.naturalWidth, i.naturalHeight]") == [True, 28, 28]
    assert image.bounding_box()["width"] == 112
    # The last pixel is red, the first one black.
    colours = image.evaluate("""(i) => {
      const c = document.createElement("canvas"); [c.width, c.height] = [28, 28];
      const pen = c.getContext("2d"); pen.drawImage(i, 0, 0);
      return [[27, 27], [0, 0], [27, 0]].map(([x, y]) => [...pen.getImageData(x, y, 1, 1).data]);
    }""")
    assert colours == [[214, 40, 57, 255], [0, 0, 0, 255], [255, 255, 255, 255]]
    assert (
        "Row 2 of batch 4, step 3: 1 × 28 × 28, 1 value not finite" in figures.nth(0).inner_text()
    )
    assert figures.nth(1).locator("li").all_text_contents() == ["3", "1", "4", "∞", "5"]
    assert "5 numbers" in figures.nth(1).inner_text()
    assert figures.nth(1).locator("li.lost").count() == 1
    assert len(seen.requests) == 1, "the picture is in the page"


def test_what_else_it_could_have_been_is_told(show, make, judge):
    run = make()
    there = show(Arm(run, judge(run))).page
    fold = there.locator("#finding-1 .excluded")
    assert not fold.locator("dl").is_visible()
    fold.locator("summary").click()
    expect(fold.locator("dt").first).to_have_text("dying-relu")
    assert fold.locator("dd").first.inner_text() == "Dead units are exactly 0 for every sample."
    assert fold.locator("dd code").inner_text() == "no_grad"


def test_names_stay_text(show, make, judge):
    run = make(names=f"{EVIL}{{}}".format, script=f"/tmp/{EVIL}.py")
    name = next(iter(run.light))
    seen = show(Arm(run, judge(run, name, f"{EVIL} is dark"), EVIL), Arm(run, judge(run), EVIL))
    seen.page.locator(".pane").first.click()
    seen.page.locator("[data-table=light] summary").click()
    assert seen.page.locator("main img").count() == 0
    assert EVIL in seen.page.locator("#history").inner_text()
    assert f"{EVIL} is dark" in seen.page.locator(".hero").inner_text()
    assert len(seen.requests) == 1


@pytest.mark.parametrize("width", [360, 400, 760, 1600])
@pytest.mark.parametrize("name", ["net.{}", "a_very_long_name_without_a_point_" * 3 + "{}"])
def test_no_window_scrolls_sideways(show, make, judge, width, name):
    run = make(names=name.format)
    patch = "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+" + "y" * 300
    there = show(Arm(run, judge(run, name.format(0))), width=width, cure=patch).page
    assert there.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light(show, make, judge):
    run = make()
    there = show(Arm(run, judge(run)), scheme="dark").page
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = there.evaluate(paper)
    before = there.locator("#loss canvas").first.evaluate("c => c.toDataURL()")
    button = there.locator("#theme")
    button.click()
    assert button.inner_text().endswith("Light")
    light = there.evaluate(paper)
    assert sum(map(int, light[4:-1].split(","))) > 600 > 300 > sum(map(int, dark[4:-1].split(",")))
    assert there.locator("#loss canvas").first.evaluate("c => c.toDataURL()") != before
    button.click()
    assert there.evaluate(paper) == dark


def test_on_paper_everything_is_light(show, make, judge):
    run = make()
    there = show(Arm(run, judge(run)), scheme="dark").page
    band = there.locator("#updates canvas").first
    dark = band.evaluate(LIT)
    there.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert band.evaluate(LIT) > 200 > 100 > dark
    assert there.locator("#flow canvas").first.evaluate(INK)["drawn"] > 0.01
    assert there.locator(".finding details:not([open])").count() == 0
    there.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert band.evaluate(LIT) == dark


def test_words_and_pictures_can_be_read(show, make, judge):
    """Text has a contrast of 4.5 to 1 with its paper in both themes (WCAG AA)."""
    run = make()
    there = show(Arm(run, judge(run))).page
    contrast = """(pairs) => {
      const lum = (c) => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(Number).map((x) => x / 255)
        .map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
        return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
      const probe = document.createElement("i"); document.body.append(probe);
      const of = (n) => { probe.style.color = `var(--${n})`;
        return lum(getComputedStyle(probe).color); };
      return pairs.map(([a, b]) => { const [x, y] = [of(a), of(b)].sort((p, q) => q - p);
        return [a, b, (x + 0.05) / (y + 0.05)]; });
    }"""
    pairs = [["ink", "paper"], ["ink", "card"], ["soft", "paper"], ["soft", "card"],
             ["soft", "sunk"], ["bad", "card"], ["bad", "bad-wash"], ["warn", "warn-wash"],
             ["warn", "paper"], ["well", "well-wash"], ["well", "card"], ["lamp", "card"],
             ["link", "card"], ["link", "paper"]]  # fmt: skip
    for _ in range(2):
        there.locator("#theme").click()
        for one, other, ratio in there.evaluate(contrast, pairs):
            assert ratio >= 4.5, (one, other)


def test_a_loss_that_is_no_number_any_more(show, broken, judge):
    seen = show(Arm(broken, judge(broken)))
    assert seen.page.locator("#loss canvas").first.evaluate(INK)["drawn"] > 0.3  # the shaded part


def test_the_patch_is_copied(show, make, judge):
    run = make()
    patch = "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-nn.Sigmoid()\n+nn.ReLU()"
    fix = {"trials": [{"prescription": "ReLU", "verdict": "accept", "pairs": 3, "outcome": "loss",
                       "before": 1.0, "after": 0.5,
                       "pair_values": [[1, 0.5], [1.1, 0.4], [0.9, 1]]}],
           "patch": patch, "confirmed": True}  # fmt: skip
    there = show(
        Arm(run, judge(run)),
        fix=fix,
        context={"permissions": ["clipboard-read", "clipboard-write"]},
    ).page
    assert there.locator(".slopes line.better").count() == 2
    assert there.locator(".slopes line.worse").count() == 1
    button = there.locator("[data-copy]")
    button.click()
    expect(button).not_to_have_text("Copy the patch")
    if button.inner_text() == "Copied":
        assert there.evaluate("navigator.clipboard.readText()").strip() == patch
    else:  # a page from disk may be refused the clipboard
        assert there.evaluate("getSelection().toString()").strip() == patch


def test_two_runs_share_their_scales(show, make, judge):
    run, other = make(), make(steps=120)
    there = show(Arm(run, judge(run), "before"), Arm(other, Diagnosis(), "after")).page
    assert there.locator("#light .beam").count() == 2
    assert there.locator("#light .pane").count() == 16
    assert there.locator("#flow canvas[role=img]").count() == 2
    ticks = there.locator("#flow .ticks").all_text_contents()
    assert ticks[0] == ticks[1]
    assert "before: training" in " ".join(there.locator("#loss .legend").all_text_contents())


# -- large runs -----------------------------------------------------------------------------


def large(layers: int = 300, steps: int = 100_000, looks: int = 2_000) -> Run:
    """As long and as deep as they come, with a spike of one step in the loss and in the light."""
    chance = np.random.default_rng(0)
    t = np.arange(steps, dtype=np.int64)
    loss = 1 + 0.01 * chance.random(steps)
    loss[61_803] = 9.0
    series = {("loss", "SGD#0"): Series("loss", "SGD#0", t, loss)}
    at = np.linspace(0, steps - 1, looks).astype(np.int64)
    names = [f"blocks.{i // 6}.{i % 6}" for i in range(layers)]
    for i, name in enumerate(names):
        values = 0.9 ** ((layers - i) / 10) * (1 + 0.05 * chance.random(looks))
        if i == 150:
            values[1000] *= 1e-5
        series["output_grad", name] = Series("output_grad", name, at, values)
        for signal in ("update_ratio", "grad_norm"):
            site = f"{name}.weight"
            series[signal, site] = Series(signal, site, at, 1e-3 * (1 + chance.random(looks)))
    facts = [
        Header(script="train.py"),
        *(Module(name=n, type="Linear", order=i) for i, n in enumerate(names)),
        *(Parameter(name=f"{n}.weight", shape=(8, 8), module=n) for n in names),
        End(script_exit=0, steps=steps),
    ]
    return Run(series, facts)


def test_a_large_run_opens_and_its_spikes_are_drawn(show, tmp_path):
    run = large()
    there = show(Arm(run, Diagnosis())).page
    assert (tmp_path / "report.html").stat().st_size < 2_500_000
    assert there.locator("#light .pane").count() == 300
    # The spike in the loss: ink in the upper half of the chart, at its own place.
    column = there.evaluate("""() => {
      const canvas = document.querySelector("#loss canvas");
      const over = document.querySelector("#loss .u-over");
      const ratio = canvas.width / canvas.clientWidth;
      const box = over.getBoundingClientRect();
      const base = canvas.getBoundingClientRect();
      const x = Math.round((box.left - base.left + box.width * 61803 / 99999) * ratio);
      const y = Math.round((box.top - base.top + box.height * 0.4) * ratio);
      const d = canvas.getContext("2d").getImageData(x - 3, y, 7, 1).data;
      return [...d].filter((_, i) => i % 4 === 2 && d[i] > d[i - 2] + 20).length;
    }""")
    assert column > 0
    # The dip in the light of one layer at one look: a dark cell in a lit row.
    dark = there.evaluate("""() => {
      const canvas = document.querySelector("#flow canvas");
      const y = Math.floor((299 - 150 + 0.5) / 300 * canvas.height);
      const x = Math.round(0.5 * canvas.width);
      const d = canvas.getContext("2d").getImageData(x - 6, y, 13, 1).data;
      return Math.min(...[...d].filter((_, i) => i % 4 === 0));
    }""")
    lit = there.evaluate("""() => {
      const canvas = document.querySelector("#flow canvas");
      return canvas.getContext("2d").getImageData(10, canvas.height / 2, 1, 1).data[0];
    }""")
    assert dark < lit - 40
    data = json.loads(there.locator("#data").text_content())
    assert len(data["arms"][0]["light"]) == 300
