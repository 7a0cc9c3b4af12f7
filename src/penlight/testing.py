"""For authors of pitfalls: runs made by hand, and the laws every pitfall obeys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from penlight.core.facts import End, Fact, Module, Objective, Optimizer
from penlight.core.pitfall import HEADINGS, Pitfall
from penlight.core.run import Run, Series
from penlight.core.vocabulary import Signal

Values = Sequence[float] | Mapping[int, float]


def fake_run(
    series: Mapping[Signal | tuple[Signal, str], Values] | None = None,
    facts: Iterable[Fact] = (),
    *,
    optimizer: str = "SGD",
    lr: float = 0.1,
    steps: int | None = None,
) -> Run:
    """A run made by hand.

    Args:
        series: values by signal, or by (signal, site); a list counts steps from 0, a mapping
            gives them. A bare signal is put at site "".
        facts: any facts; an `Optimizer`, and an `End` are added unless given.
        optimizer: type name of the optimiser to add.
        lr: its learning rate.
        steps: optimiser steps done; by default as far as the longest series goes.

    Example:
        >>> fake_run({LOSS: [2.3, 2.2]}).steps
        2
    """
    data: dict[tuple[str, str], Series] = {}
    for key, values in (series or {}).items():
        signal, site = key if isinstance(key, tuple) else (key, "")
        points = dict(values) if isinstance(values, Mapping) else dict(enumerate(values))
        data[signal.name, site] = Series(
            signal.name,
            site,
            np.array(list(points), np.int64),
            np.array(list(points.values()), np.float64),
        )
    collected = list(facts)
    if not any(isinstance(x, Optimizer) for x in collected):
        collected.insert(0, Optimizer(type=optimizer, lr=lr))
    if not any(isinstance(x, End) for x in collected):
        longest = max((int(s.steps[-1]) + 1 for s in data.values() if s), default=0)
        collected.append(End(script_exit=0, steps=longest if steps is None else steps))
    return Run(data, collected)


def stack(*types: str, root: str = "Net") -> list[Module]:
    """Module facts for a plain stack: `stack("Linear", "ReLU")` names them "0", "1", ..."""
    return [Module(name=str(i), type=t, order=i, root=root) for i, t in enumerate(types)]


def objective(function: str = "cross_entropy", **fields: object) -> Objective:
    """A training objective with everyday defaults."""
    values: dict[str, object] = {
        "site": f"{function}@train.py:1",
        "input_shape": (32, 10),
        "target_shape": (32,),
        "target_dtype": "int64",
        "calls": 100,
        "looked": 10,
        **fields,
    }
    return Objective(function=function, **values)  # type: ignore[arg-type]  # checked by the dataclass


def check_card(pitfall: Pitfall) -> list[str]:
    """What is missing from a pitfall's card, one sentence each; empty when it is complete."""
    faults = [f"no section '{h}'" for h in HEADINGS if not pitfall.section(h)]
    if not pitfall.picture:
        faults.append("no everyday picture between the title and the first heading")
    if len(pitfall.title) > 80:
        faults.append("the title is longer than 80 characters")
    if not pitfall.prescriptions:
        faults.append("no prescription")
    if pitfall.demo is None and not pitfall.device:
        faults.append("no demo")
    faults += [f"limit {k} has no why" for k, v in pitfall.limits.items() if len(v.why) < 20]
    return faults
