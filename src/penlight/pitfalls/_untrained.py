"""Tells weights that were never trained from weights that were."""

from __future__ import annotations

import math
from collections.abc import Iterator

from penlight.core.facts import Parameter
from penlight.core.run import Run
from penlight.core.vocabulary import TRAVEL

SIGMAS = 4.0  # of the sampling error of a standard deviation
LAYERS = frozenset((
    "Linear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "Embedding",
    "LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "MultiheadAttention",
))  # fmt: skip
SMALLEST = 64  # values: with fewer the sampling error hides everything


def looks_untrained(parameter: Parameter) -> bool | None:
    """Whether a weight matrix still has the statistics of a usual random initialisation.

    Compares mean and standard deviation at the start of the run with the usual schemes, within
    the sampling error of that many values. None where that cannot be told: for small tensors, for
    vectors, whose start values (0, 1) say little, and for tensors with a scheme of their own.
    """
    size = math.prod(parameter.shape)
    if len(parameter.shape) < 2 or size < SMALLEST:
        return None
    # One value in both schemes: a normal sample's standard deviation errs by 1/sqrt(2n) of it, a
    # uniform one's by less.
    error = SIGMAS / math.sqrt(2 * size)
    usual = any(
        abs(parameter.std / std - 1) < error
        and abs(parameter.mean) < SIGMAS * std / math.sqrt(size)
        for std in _schemes(parameter)
    )
    known = parameter.module_type in LAYERS and not parameter.units_last
    return usual or (False if known else None)


def _schemes(parameter: Parameter) -> Iterator[float]:
    """Standard deviations of the usual schemes for a tensor of this shape."""
    receptive = math.prod(parameter.shape[:-2] if parameter.units_last else parameter.shape[2:])
    fan_in, fan_out = parameter.fan_in, parameter.units * receptive
    if parameter.module_type == "Embedding":
        yield 0.05 / math.sqrt(3) if parameter.units_last else 1.0
    elif not parameter.units_last and parameter.module_type in (
        "LSTM",
        "GRU",
        "RNN",
        "LSTMCell",
        "GRUCell",
        "RNNCell",
    ):
        hidden = parameter.shape[0] // {"L": 4, "G": 3, "R": 1}[parameter.module_type[0]]
        yield math.sqrt(1 / (3 * max(hidden, 1)))
    yield math.sqrt(1 / (3 * fan_in))  # torch's default: uniform in +-1/sqrt(fan_in)
    yield math.sqrt(1 / fan_in)
    yield math.sqrt(2 / fan_in)  # He
    yield math.sqrt(2 / fan_out)
    yield math.sqrt(2 / (fan_in + fan_out))  # Glorot
    yield 0.02  # GPT, BERT


def frozen_at_random(run: Run) -> list[Parameter]:
    """Frozen weights that look as freshly drawn and never moved, in a model that is trained.

    Pretrained weights, and those that were trained first and frozen then, show in their numbers. A
    layer that was put in later, such as a new head, counts from then on.
    """
    trained = {p.root for p in run.parameters if p.requires_grad and p.optimised and p.reached}
    moved = {s.site: int(s.steps[-1]) for s in run.every(TRAVEL)}
    return [
        p
        for p in run.parameters
        if not p.requires_grad and p.used and p.root in trained
        if moved.get(p.name, -1) < p.since and looks_untrained(p)
    ]


def frozen_head(run: Run) -> list[Parameter]:
    """The output layer's weights if they alone are frozen, and an optimiser was given them.

    Where whole parts of a network are frozen (transfer, adapters) that is deliberate.
    """
    frozen = [p for p in run.parameters if not p.requires_grad and p.used]
    owners = {(p.root, p.module) for p in frozen}
    others = {(p.root, p.module) for p in run.parameters if p.requires_grad and p.reached}
    line = [m for m in run.modules if (m.root, m.name) in owners | others]
    if len(owners) != 1 or len(line) < 2 or not all(p.optimised for p in frozen):
        return []
    return frozen if (line[-1].root, line[-1].name) in owners else []
