"""The report page without a browser: what it says, what it lets nobody do, how large it is."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penlight.core.facts import Header, Module, Parameter
from penlight.core.finding import Diagnosis
from penlight.core.run import Series
from penlight.core.vocabulary import (
    ACT_RMS,
    DEAD_SHARE,
    GRAD_NORM,
    LOSS,
    OUTPUT_GRAD,
    UPDATE_RATIO,
)
from penlight.report.html import Arm, page
from penlight.report.html.fixes import shown, stored
from penlight.report.html.packing import Pack, means, thin
from penlight.report.html.render import STATIC
from penlight.testing import fake_run

EVIL = "<img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """Collects elements, attributes and text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = tag

    def handle_endtag(self, tag):
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data):
        if not self._inside:
            self.text += data


def data_of(text: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found.group(1))


def unpacked(data: dict, number: int) -> tuple[np.ndarray, np.ndarray]:
    column, values = data["series"][number]
    steps = np.frombuffer(base64.b64decode(data["columns"][column]), "<u4")
    return steps, np.frombuffer(base64.b64decode(values), "<f4")


def test_a_spike_does_not_flatten_the_rest_of_the_loss():
    falling = np.linspace(2.3, 1.2, 300).tolist()
    for losses, log in ((falling, False), ([90.0, *falling], True)):
        arm = Arm(fake_run({LOSS: losses}), Diagnosis())
        assert data_of(page(arm))["arms"][0]["loss"]["log"] == log


def test_a_sick_run_says_what_is_wrong_and_what_to_do(cases):
    diagnosis, run = cases["vanishing"]()
    text = page(Arm(run, diagnosis))
    said = " ".join(Tags(text).text.split())
    assert "The gradient shrinks from layer to layer" in said
    assert "97% sure" in said
    assert "since the first step" in said
    assert "Replace the 6 sigmoids by ReLU" in said
    assert "Not if the sigmoids are gates" in said
    assert "1 cause, and 3 symptoms explained by it." in said
    assert "saturated-activation" in said
    assert "the script never evaluates the model" in said


def test_a_healthy_run_says_so_and_what_was_looked_for(cases):
    diagnosis, run = cases["healthy"]()
    said = " ".join(Tags(page(Arm(run, diagnosis))).text.split())
    assert "Nothing is wrong with this training." in said
    assert "20 pitfalls were looked for over 1,200 steps" in said
    assert "p19" in said


def test_a_run_that_learnt_nothing_is_not_called_healthy(cases):
    diagnosis, run = cases["unlearnt"]()
    said = " ".join(Tags(page(Arm(run, diagnosis))).text.split())
    assert "Nothing was learnt, and no cause was found." in said
    assert "The loss ends at 2.30, and the best guess without a look at the input has 2.30." in said
    assert "Nothing is wrong" not in said


@pytest.mark.parametrize("name", ["healthy_blind", "crash", "no_training", "hostile"])
def test_every_case_has_a_page(cases, name):
    diagnosis, run = cases[name]()
    text = page(Arm(run, diagnosis))
    data_of(text)
    said = Tags(text).text
    if name == "crash":
        assert "The script stopped with an error: ValueError" in said
    if name == "no_training":
        assert "No training was seen." in said


def test_numbers_on_the_page_are_those_of_the_run(cases):
    diagnosis, run = cases["vanishing"]()
    data = data_of(page(Arm(run, diagnosis)))
    (arm,) = data["arms"]
    for row, (name, series) in zip(arm["light"], run.light.items(), strict=True):
        assert row["name"] == name
        assert row["left"] == float(np.median(series.values[-20:]))
        steps, values = unpacked(data, row["series"])
        assert steps.tolist() == series.steps.tolist()
        assert values == pytest.approx(series.values, rel=1e-6)
    steps, values = unpacked(data, arm["loss"]["train"])
    assert values == pytest.approx(run.series(LOSS).values, rel=1e-6)


def test_names_stay_text(cases):
    """Names of modules and scripts, and what findings say, come from strangers."""
    diagnosis, run = cases["hostile"]()
    text = page(Arm(run, diagnosis, EVIL), Arm(run, diagnosis, EVIL), folder=EVIL, cure=EVIL)
    tags = Tags(text)
    assert "img" not in {tag for tag, _ in tags.found}
    assert not any(key.startswith("on") for _, attrs in tags.found for key in attrs)
    assert "onerror=alert(1)" in tags.text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "</script" not in json.dumps(data_of(text))
    # The JSON cannot end its element: no `<` in it at all.
    inside = re.search(r'id="data">(.*?)</script>', text, re.S)
    assert inside
    assert "<" not in inside.group(1)


def test_nothing_may_run_or_be_fetched_but_what_the_page_holds(cases):
    text = page(Arm(*reversed(cases["vanishing"]())))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    rules = dict(
        rule.strip().split(" ", 1) for rule in unescape(policy.group(1)).split(";") if rule.strip()
    )
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy.group(1)
    assert "connect-src" not in rules
    for kind, pattern in (
        ("script", r"<script>(.*?)</script>"),
        ("style", r"<style>(.*?)</style>"),
    ):
        (inside,) = re.findall(pattern, text, re.S)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    tags = Tags(text)
    for tag, attrs in tags.found:
        assert "style" not in attrs, f"the policy forbids style attributes: {tag}"
        for key in ("src", "href", "action", "data", "poster", "srcset"):
            value = attrs.get(key) or ""
            assert not re.match(r"(https?:)?//", value), (tag, value)


def test_an_ordinary_run_stays_small():
    """18 layers, 2,000 steps looked at 200 times, every signal: under 300 kB."""
    chance = np.random.default_rng(0)
    looks = (np.unique(np.geomspace(1, 2000, 260).astype(int)) - 1).tolist()
    names = [f"model.{i}" for i in range(18)]
    weights = [f"{name}.{leaf}" for name in names for leaf in ("weight", "bias")]
    sites = {
        OUTPUT_GRAD: names,
        ACT_RMS: names,
        DEAD_SHARE: names,
        UPDATE_RATIO: weights,
        GRAD_NORM: weights,
    }
    every = {
        (signal, site): dict(zip(looks, chance.random(len(looks)), strict=True))
        for signal, found in sites.items()
        for site in found
    }
    facts = [
        Header(script="train.py"),
        *(Module(name=n, type="Linear", order=i) for i, n in enumerate(names)),
        *(Parameter(name=x, shape=(8, 8), module=x.rsplit(".", 1)[0]) for x in weights),
    ]
    run = fake_run({LOSS: chance.random(2000).tolist(), **every}, facts)
    assert len(page(Arm(run, Diagnosis(checked=("a",))))) < 300_000


# -- thinning -------------------------------------------------------------------------------


def series_of(values: np.ndarray, steps: np.ndarray | None = None) -> Series:
    steps = np.arange(len(values)) if steps is None else steps
    return Series("loss", "", steps.astype(np.int64), values.astype(np.float64))


@pytest.mark.parametrize("where", [0, 1, 333, 50_001, 99_998, 99_999])
@pytest.mark.parametrize("odd", [50.0, -50.0, float("nan"), float("inf")])
def test_a_spike_of_one_step_survives(where, odd):
    values = np.sin(np.arange(100_000) / 7)
    values[where] = odd
    small = thin(series_of(values), 300)
    assert len(small) <= 3 * 300 + 2
    assert where in small.steps
    kept = small.values[small.steps.tolist().index(where)]
    assert kept == odd or (np.isnan(kept) and np.isnan(odd))
    assert (np.diff(small.steps) > 0).all()
    assert {0, 99_999} <= set(small.steps.tolist())


def test_what_is_short_stays_as_it_is():
    small = series_of(np.array([1.0, np.nan, 3.0]))
    assert thin(small, 2) is small


def test_uneven_looks_are_thinned_by_steps():
    """Dense looks at the start share a span; rare ones at the end have one each and all stay."""
    steps = np.concatenate([np.arange(1000), np.arange(1000, 100_000, 1000)])
    small = thin(series_of(np.cos(steps / 3.0), steps), 100)
    assert set(range(2000, 100_000, 1000)) <= set(small.steps.tolist())
    assert (small.steps < 1000).sum() <= 5


def test_means_are_means():
    values = np.arange(1000.0)
    values[10] = np.nan
    small = means(series_of(values), 10)
    assert len(small) == 10
    clean = values[np.isfinite(values)]
    assert small.values[0] == pytest.approx(clean[:99].mean())
    assert small.values.mean() == pytest.approx(clean.mean(), rel=0.01)


# -- the rest -------------------------------------------------------------------------------


def test_uplot_is_the_pinned_one():
    folder = STATIC / "uplot"
    pinned = json.loads((folder / "pinned.json").read_text())
    assert pinned["version"] == "1.6.32"
    for name, digest in pinned["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert pinned["version"] in (folder / "uPlot.iife.min.js").read_text()[:300]


def test_a_cure_is_shown_with_its_pairs_and_its_patch(cases, tmp_path):
    fix = {
        "trials": [
            {"prescription": "Use ReLU", "pitfall": "vanishing-gradient", "verdict": "accept",
             "pairs": 2, "outcome": "validation loss", "before": 1.2, "after": 0.4,
             "pair_values": [[1.25, 0.41], [1.15, 0.39]]},
            {"prescription": EVIL, "verdict": ["?"], "pairs": "many", "before": None,
             "pair_values": [[1], "no", [float("nan"), 2]]},
            "nonsense",
        ],
        "patch": "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-nn.Sigmoid()\n+nn.ReLU()\n",
        "confirmed": True,
        "outcome": "error rate",
        "curves": {"before": [[0, 0.9], [9, 0.8]], "after": [[0, 0.9], [9, 0.1], ["?", 3]]},
        "light": {"before": [["net.0", 1e-6], ["net.2", 1e-3], [EVIL, 1.0], ["x", "?"], 3],
                  "after": [["net.0", 0.5], ["net.2", 0.7], ["net.4", 1.0]]},
        "instructions": [{"do": "Warm up", "why": "a factory", "instruction": "Edit it"}, 3],
        "why": None,
    }  # fmt: skip
    (tmp_path / "fix.json").write_text(json.dumps(fix))
    diagnosis, run = cases["vanishing"]()
    text = page(Arm(run, diagnosis), fix=stored(tmp_path))
    assert data_of(text)["trials"][0] == {"pairs": [[1.25, 0.41], [1.15, 0.39]], "higher": False}
    assert len(data_of(text)["trials"]) == 1
    assert "Also tried: 1 change" in Tags(text).text
    cure = data_of(text)["cure"]
    assert unpacked(data_of(text), cure["after"])[1].tolist() == pytest.approx([0.9, 0.1])
    before, after = data_of(text)["beams"]
    assert [(x["name"], x["left"]) for x in before["light"]] == [
        ("net.0", 1e-6), ("net.2", 1e-3), (EVIL, 1.0)
    ]  # fmt: skip
    assert (after["label"], len(after["light"])) == ("with it", 3)
    fix["light"]["after"].pop()
    short = page(Arm(run, diagnosis), fix=fix)
    assert data_of(short)["beams"] == []
    assert 'id="beams"' not in short
    said = Tags(text).text
    for words in (
        "What no edit could make",
        "Edit it",
        "2 of 2 pairs better",
        "Use ReLU",
        "confirmed on fresh seeds",
        "+nn.ReLU()",
        "1.20",
        "0.40",
        "2 pairs",
    ):
        assert words in said


def test_a_leak_that_is_gone_is_no_worse_result(cases):
    trial = {"prescription": "Hide what comes", "pitfall": "causal-leak", "verdict": "accept",
             "pairs": 4, "outcome": "error rate", "before": 0.03, "after": 0.36,
             "pair_values": [], "proof": "absence"}  # fmt: skip
    diagnosis, run = cases["vanishing"]()
    said = Tags(page(Arm(run, diagnosis), fix={"trials": [trial], "patch": "+x"})).text
    for words in ("the fault is gone", "4 runs", "gone in 4 runs", "0.03", "0.36", "is honest"):
        assert words in said
    assert "Also tried" not in said
    assert "Each line is a pair" not in said


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"trials": 3, "patch": 4}', "[" * 5000])
def test_a_bad_fix_is_no_fix(tmp_path: Path, text):
    (tmp_path / "fix.json").write_text(text)
    assert shown(stored(tmp_path)) is None


# -- what a stranger's file may hold ----------------------------------------------------------


@pytest.mark.parametrize("started", [float("nan"), float("inf"), 1e300, -1e300])
def test_times_that_are_none(started):
    run = fake_run({LOSS: [1.0, 0.5]}, [Header(script="train.py", started=started)])
    assert "Started" not in page(Arm(run, Diagnosis()))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    points=st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.floats(), min_size=1, max_size=30),
    columns=st.integers(1, 6),
)
def test_thinning_takes_any_numbers(points, columns):
    steps = sorted(points)
    series = series_of(np.array([points[s] for s in steps]), np.array(steps, np.int64))
    small = thin(series, columns)
    assert all(
        v == points[s] or np.isnan(points[s])
        for s, v in zip(small.steps.tolist(), small.values.tolist(), strict=True)
    )
    finite = series.values[np.isfinite(series.values)]
    if len(finite):
        assert {finite.min(), finite.max()} <= set(small.values.tolist())
    means(series, columns)


def test_values_beyond_float32_are_drawn_at_its_edge():
    pack = Pack()
    pack.add(series_of(np.array([1e300, -1e300, np.inf, np.nan, 1.0])))
    _, values = unpacked(pack.to_json(), 0)
    assert np.isfinite(values).tolist() == [True, True, False, False, True]
