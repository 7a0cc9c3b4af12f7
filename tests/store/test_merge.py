"""The numbers of several ranks become those of one training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penlight.core.facts import Blind, End, Header, Parallel
from penlight.core.run import Run
from penlight.store.reader import load
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

Curves = dict[str, dict[int, float]]


def trained(folder: Path, how: Parallel, ranks: list[Curves], ends: list[End | None]) -> Run:
    """A run of several ranks, each with its own values by signal and step."""
    for rank, (curves, end) in enumerate(zip(ranks, ends, strict=True)):
        writer = Writer(folder / segment_name(rank))
        writer.event(Header(rank=rank, world=len(ranks)).to_event())
        writer.event(how.to_event())
        for name, values in curves.items():
            site = "SGD#0" if name == "loss" else "net.weight"
            writer.points(name, site, list(values), list(values.values()))
        if end is not None:
            writer.event(end.to_event())
        writer.close()
    return load(folder)


def test_parts_of_a_parameter_and_copies_of_parts(tmp_path: Path) -> None:
    whole = np.array([3.0, 4.0, 12.0, 84.0])
    norms = [float(np.linalg.norm(part)) for part in (whole[:2], whole[2:])]
    ranks: list[Curves] = [
        {
            "grad_norm": {0: n, 1: n},
            "weight_norm": {0: n, 1: n},
            "update_base": {0: n, 1: 2 * n},
            "update_ratio": {0: 0.1, 1: r},
            "travel": {0: 0.1, 1: r},
        }
        for n, r in zip(norms * 2, [0.3, 0.0] * 2, strict=True)
    ]
    del ranks[3]["grad_norm"][1]  # this rank did not look there
    how = Parallel(shards={"net.weight": 2})
    run = trained(tmp_path, how, ranks, [End()] * 4)
    grads, ratios = run.series("grad_norm"), run.series("update_ratio")
    assert grads.steps.tolist() == [0]
    assert grads.values == pytest.approx([85.0])
    assert run.series("weight_norm").values == pytest.approx([np.linalg.norm(whole)] * 2)
    assert run.series("travel").values == pytest.approx(ratios.values)
    assert ratios.values == pytest.approx([0.1, 0.3 * 5 / np.linalg.norm(whole)])
    assert run.all(Blind) == []


def test_parts_of_a_batch(tmp_path: Path) -> None:
    ranks: list[Curves] = [
        {"loss": {0: 1.0, 1: 2.0, 2: 9.0}, "act_rms": {0: 3.0}, "act_absmax": {0: 5.0},
         "output_grad": {0: 3.0}, "grad_norm": {0: 7.0}},
        {"loss": {0: 3.0, 1: float("nan")}, "act_rms": {0: 4.0}, "act_absmax": {0: 8.0},
         "output_grad": {0: 4.0}, "grad_norm": {0: 7.0}},
    ]  # fmt: skip
    run = trained(tmp_path, Parallel(data=True), ranks, [End()] * 2)
    assert run.series("loss").values == pytest.approx([2.0, float("nan"), 9.0], nan_ok=True)
    assert run.series("act_rms").values == pytest.approx([12.5**0.5])
    assert run.series("act_absmax").values == [8.0]
    assert run.series("output_grad").values == [2.5]
    assert run.series("grad_norm").values == [7.0]  # all-reduced: the same on each


def test_ranks_that_failed_or_are_not_here(tmp_path: Path) -> None:
    curves: Curves = {"loss": {0: 1.0, 1: 1.0}, "grad_norm": {0: 1.0}}
    ends = [End(), End(script_exit=1, error="ValueError: no more data"), None]
    how = Parallel(shards={"net.weight": 3})
    run = trained(tmp_path, how, [curves] * 3, ends)
    assert [(b.what, b.why) for b in run.all(Blind)] == [
        ("rank 1 after step 1", "ValueError: no more data"),
        ("rank 2 after step 1", "it was killed, or is still running"),
    ]
    (tmp_path / segment_name(2)).unlink()
    run = load(tmp_path)
    assert [b.what for b in run.all(Blind)] == [
        "1 of 3 ranks", "rank 1 after step 1", "sharded parameters",
    ]  # fmt: skip
    assert run.series("grad_norm").values == [1.0]
