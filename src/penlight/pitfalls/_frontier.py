"""Finds where the graph of a loss ends although the model, or the loss, goes on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penlight.core.facts import Module, Parameter
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import at_common_steps
from penlight.pitfalls._graph import LOSSES, Wiring


def felt(run: Run, cut: Sequence[Parameter]) -> list[Parameter]:
    """The unreached weights on which the loss depends all the same, as an experiment showed."""
    exam = run.exam("cut")
    names = exam.values.get("felt", {}) if exam is not None else {}
    return [p for p in cut if p.name in names or p.name.removeprefix(f"{p.root}.") in names]


def before_the_cut(run: Run, cut: Sequence[Parameter], graphs: Sequence[Wiring]) -> list[Parameter]:
    """The unreached weights of layers that ran first and fed a layer that is reached.

    A branch whose output nobody uses is unreached too, but then the layers in front of it are
    reached. Here everything from the input up to one place is missing.
    """
    missing = {(p.root, p.module) for p in cut if p.used}
    owned = {(p.root, p.module) for p in run.parameters if p.requires_grad}
    for root in dict.fromkeys(p.root for p in cut):
        line = [m for m in run.modules if m.root == root and (root, m.name) in owned]
        absent = [(root, m.name) in missing for m in line]
        length = absent.index(False) if False in absent else len(line)
        if length == 0 or any(absent[length:]):
            continue
        first = {m.name for m in line[:length]}
        # A whole model is missing: does another one, that is trained, go on from it?
        last, others = line[length - 1], [m for m in run.modules if (m.root, m.name) in owned]
        rest = line[length:] or [m for m in others if m.root != root and m.order > last.order]
        if rest and (rest[0].root, rest[0].name) not in missing and _starts(graphs, rest[0], last):
            return [p for p in cut if p.root == root and p.module in first]
    return []


def _starts(graphs: Sequence[Wiring], after: Module, before: Module) -> bool:
    """Whether a graph begins at layer `after`, and `before` has the width that it takes in."""
    shape = before.output_shape
    for wiring in graphs:
        for i, op in enumerate(wiring.ops):
            layer = wiring.is_layer(i) or wiring.is_recurrent(i)
            if not layer or wiring.place(i) != after.name or wiring.data(i):
                continue
            weight = wiring.weight(i)
            wide = next((x.shape for x in wiring.ops if x.parameter == weight), op.shape)[1:2]
            # Channels of an image are flattened together with what pooling leaves of its sides.
            image = len(shape) > 3 and shape[1] > 1 and wide and wide[0] % shape[1] == 0
            if shape and (wide == shape[-1:] or image):
                return True
    return False


def idle_term(run: Run, graphs: Sequence[Wiring]) -> float | None:
    """Share of the loss that is added to one loss function but carries no gradient.

    None unless the graph shows a sum of that function and numbers from outside of the graph.
    """
    objective = run.objective
    if objective is None or objective.reduction != "mean" or not graphs:
        return None
    if not all(_sum_with_constant(w, LOSSES.get(objective.function, ())) for w in graphs):
        return None
    total, part = at_common_steps(run.series(LOSS), run.series(OBJECTIVE_LOSS, objective.site))
    known = np.isfinite(total) & (total != 0)
    if known.sum() < 3:
        return None
    return float(np.median((total - part)[known] / np.abs(total[known])))


def _sum_with_constant(wiring: Wiring, losses: tuple[str, ...]) -> bool:
    """Whether the graph is one loss function to which only constants were added."""
    i, sums = 0, 0
    while wiring.names[i] == "Add" and len(wiring.ops[i].inputs) == 1:
        i, sums = wiring.ops[i].inputs[0], sums + 1
    return sums > 0 and wiring.names[i] in losses
