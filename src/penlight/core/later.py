"""A script that trains a second model: the second training read as a run of its own.

Where a training that came after another one took longer, the experiments were made with it (see
`penlight.probe.captures`), and what the curves of both show together says little about either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from penlight.core import facts as f
from penlight.core.run import Run, Series
from penlight.core.vocabulary import LOSS


def earlier(run: Run) -> Run:
    """The run without the experiments that were made with a later training."""
    mark = run.last(f.Later)
    if mark is None:
        return run
    since = mark.since
    return Run(
        {(s.signal, s.site): s for s in run.all_series()},
        (x for x in run.facts if not (isinstance(x, f.Exam) and x.since == since)),
    )


def later(run: Run) -> Run | None:
    """The later training alone, its steps counted from 0; None where there was none."""
    mark = run.last(f.Later)
    if mark is None:
        return None
    series = {}
    for whole in run.all_series():
        part = whole.between(mark.since, math.inf)
        if part:
            key = (part.signal, part.site)
            series[key] = Series(*key, part.steps - mark.since, part.values)
    return Run(series, _facts(run, mark, {site for name, site in series if name == str(LOSS)}))


def _facts(run: Run, mark: f.Later, optimizers: set[str]) -> Iterator[f.Fact]:
    """What is known of the later training; what was counted over the whole run says nothing."""
    since = mark.since
    for x in run.facts:
        match x:
            case f.Header() | f.Hygiene():
                yield x
            case f.End():
                yield replace(x, steps=max(0, x.steps - since))
            case f.Module() | f.Inputs() if x.root == mark.root:
                yield x
            case f.Parameter() if x.root == mark.root:
                yield replace(x, since=max(0, x.since - since))
            case f.Optimizer() if f"{x.type}#{x.index}" in optimizers:
                yield x
            case f.Objective() if x.phase != "train" or x.site == mark.objective:
                yield x
            case f.Targets(objective=objective) if objective == f.LATER:
                yield replace(x, objective=mark.objective)
            case f.Graph() | f.NonFinite() if x.step >= since:
                yield replace(x, step=x.step - since)
            case f.Predictions() if x.step >= since:
                yield _moved(x, since)
            case f.Exam() if x.since == since:
                yield replace(x, step=x.step - since, since=0)
            case _:
                pass


def _moved(x: f.Predictions, since: int) -> f.Predictions:
    """An evaluation with its steps counted from `since`; one of before is no better one."""
    best = x.best_step
    if best is None or best < since:
        return replace(x, step=x.step - since, best_step=None, paired_t=None)
    return replace(x, step=x.step - since, best_step=best - since)
