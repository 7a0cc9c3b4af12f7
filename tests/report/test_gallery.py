"""The gallery: pages and index from two runs a pitfall."""

from __future__ import annotations

import re

import numpy as np
import pytest

from penlight.catalogue import pitfall
from penlight.cli import demo
from penlight.core.run import Series
from penlight.core.vocabulary import LOSS
from penlight.errors import PenlightError
from penlight.report.html.gallery import Entry, curves, write_index, write_page
from penlight.testing import fake_run


def entry(name: str) -> Entry:
    flat, falling = [2.3] * 50, (2.3 * 0.9 ** np.arange(50)).tolist()
    results = ({"metric": "accuracy", "value": 0.1}, {"metric": "accuracy", "value": 0.98})
    return Entry(pitfall(name), fake_run({LOSS: flat}), fake_run({LOSS: falling}), results)


def test_index_and_pages_lead_to_each_other(tmp_path):
    entries = [entry("double-softmax"), entry("vanishing-gradient")]
    for each in entries:
        write_page(each, tmp_path)
    index = write_index(entries, tmp_path).read_text()
    for each in entries:
        assert f'href="{each.card.name}.html"' in index
        assert each.card.title in index
        text = (tmp_path / f"{each.card.name}.html").read_text()
        assert 'href="index.html"' in text
        assert "With the cure" in text
        assert "Copy the patch" in text
    assert "accuracy 0.100 → 0.980" in index


def test_small_curves_share_one_scale():
    def series(values):
        return Series("loss", "", np.arange(len(values)), np.array(values, float))

    low, high = curves([series([1.0, 1.0, 1.0]), series([1.0, 2.0, 3.0])])
    heights = [
        [float(y) for y in re.findall(r" ([\d.]+)", path.replace("L", " L"))]
        for path in (low, high)
    ]
    assert len(set(heights[0])) == 1
    assert heights[0][0] == heights[1][0] > heights[1][-1]
    assert curves([series([]), series([float("nan")])]) == ["", ""]


def test_a_demo_that_fails_is_left_out_and_said(tmp_path, monkeypatch, capsys):
    def fail(_):
        raise PenlightError("It left no diagnosis.")

    monkeypatch.setattr(demo, "run_arms", fail)
    with pytest.raises(PenlightError, match="no gallery"):
        demo.command.main(
            ["--gallery", str(tmp_path / "new"), "--only", "double-softmax"], standalone_mode=False
        )
    assert "double-softmax: left out. It left no diagnosis." in capsys.readouterr().out


def test_only_belongs_to_a_gallery():
    with pytest.raises(PenlightError, match="--gallery"):
        demo.command.main(["--only", "double-softmax"], standalone_mode=False)


@pytest.mark.slow
def test_a_real_demo_becomes_a_page(tmp_path, capsys):
    out = tmp_path / "gallery"
    demo.command.main(["--gallery", str(out), "--only", "double-softmax"], standalone_mode=False)
    assert {x.name for x in out.iterdir()} == {"index.html", "double-softmax.html"}
    text = (out / "double-softmax.html").read_text()
    assert "The outputs are squashed into probabilities twice." in text
    assert "Nothing is wrong with this training." in text
