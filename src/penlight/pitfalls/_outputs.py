"""What the last operation of a model can yield, and what a loss makes of it."""

from __future__ import annotations

import math

from penlight.core.facts import Objective, Targets
from penlight.pitfalls._graph import SHAPE, Wiring

RANGES = {
    "Relu": (0.0, math.inf),
    "Softplus": (0.0, math.inf),
    "Exp": (0.0, math.inf),
    "Sigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
}
LOGS = frozenset(("Log", "Log2", "Log10"))
UNBOUNDED = frozenset(("Relu", "LeakyRelu", "Elu", "Gelu", "Silu", "Tanh", "Hardtanh"))
TOWARDS_LOG = SHAPE | {"Clamp", "ClampMin", "ClampMax", "Gather", "Div"}


def gap(targets: Targets, op: str) -> float:
    """How far the farthest target lies outside the range of an operation."""
    low, high = RANGES[op]
    return max(low - targets.min, targets.max - high)


def out_of_reach(targets: Targets, op: str, sigmas: float) -> bool:
    """Whether mean -+ `sigmas` standard deviations of some target column is out of range."""
    low, high = RANGES[op]
    pairs = list(zip(targets.mean, targets.std, strict=False))
    below = targets.min < low and any(m - sigmas * s < low for m, s in pairs)
    above = targets.max > high and any(m + sigmas * s > high for m, s in pairs)
    return below or above


def what_is_no_log(objective: Objective, op: str) -> str:
    """What nll_loss was given in place of log-probabilities."""
    sums, low, high = objective.row_sum_error, objective.input_min, objective.input_max
    if sums is not None and sums < 1e-3 and (low or 0) >= 0:
        return "probabilities instead of their logarithms"
    if op == "LogSoftmax":
        return "a log_softmax over another dimension than the classes"
    if high is not None and high <= 0:
        return "logarithms of numbers that do not add up to 1 over the classes"
    return "raw outputs instead of log-probabilities"


def raw_under_log(wiring: Wiring, log: int) -> int | None:
    """The layer or unbounded activation whose output a logarithm takes for a probability.

    None when something in between makes probabilities, or when the output also reaches the loss
    without a logarithm: then it is a rate or a variance.
    """
    maker: int | None = log
    while maker is not None and (maker == log or wiring.names[maker] in TOWARDS_LOG):
        data = wiring.data(maker)
        maker = data[0] if data and (len(data) == 1 or wiring.names[maker] == "Div") else None
    if maker is None or not (wiring.is_layer(maker) or wiring.names[maker] in UNBOUNDED):
        return None
    seen, queue = {i for i, n in enumerate(wiring.names) if n in LOGS}, [0]
    while queue:
        i = queue.pop()
        if i == maker:
            return None
        if i not in seen:
            seen.add(i)
            queue += wiring.ops[i].inputs
    return maker
