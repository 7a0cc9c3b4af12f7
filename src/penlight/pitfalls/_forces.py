"""What pulls on the weights besides the gradient of the task: penalties and decay."""

from __future__ import annotations

import math

import numpy as np

from penlight.core.facts import Optimizer
from penlight.core.finding import Prescription
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM, WEIGHT_NORM
from penlight.pitfalls._curves import END
from penlight.pitfalls._graph import wirings

COUPLED = ("Adam", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta")  # of torch
PENALTIES = ("Pow", "Norm", "LinalgVectorNorm", "Abs", "Mul", "Square")


def penalised_weights(run: Run) -> set[str]:
    """Parameters that enter a loss through a norm of their own, not only through a layer."""
    found: set[str] = set()
    for wiring in wirings(run):
        for i, op in enumerate(wiring.ops):
            if wiring.names[i] in PENALTIES and op.inputs and not wiring.data(i):
                behind = wiring.behind(i)
                found |= {wiring.ops[j].parameter for j in behind if wiring.ops[j].parameter}
    return found


def weight_matrices(run: Run) -> set[str]:
    """Parameters of two dimensions and more that did not begin as one constant."""
    return {p.name for p in run.parameters if len(p.shape) > 1 and p.std > 0}


def shrinkage(run: Run, names: set[str]) -> float | None:
    """Median over weight matrices of their last norm as a share of their first."""
    shares = [
        float(s.values[-1] / s.values[0])
        for s in run.every(WEIGHT_NORM)
        if s.site in names and s.values[0] > 0 and math.isfinite(s.values[-1])
    ]
    return float(np.median(shares)) if shares else None


def coupled(optimizer: Optimizer) -> bool:
    """Whether an adaptive optimiser adds weight decay to the gradient and divides both."""
    kind = optimizer.type
    return kind in COUPLED and not (optimizer.decoupled or kind.endswith("W"))


def decay_pull(run: Run, names: set[str], decay: float) -> float | None:
    """Median over weight matrices of decay x weight norm over gradient norm at the end."""
    ratios = []
    for norm in run.every(WEIGHT_NORM):
        grad = run.series(GRAD_NORM, norm.site).finite
        if norm.site in names and grad:
            force = float(np.mean(grad.tail(END)))
            ratios.append(decay * float(np.mean(norm.tail(END))) / max(force, 1e-30))
    return float(np.median(ratios)) if ratios else None


def without_penalty(run: Run) -> tuple[float, float] | None:
    """The task's loss at the end, and after a few replayed steps of the task alone."""
    exam = run.exam("rates_end")
    if exam is None or "start" not in exam.values:
        return None
    arms = [float(exam.values[k]) for k in ("x1", "x0.1") if k in exam.values]
    arms = [v for v in arms if math.isfinite(v)]
    return (float(exam.values["start"]), min(arms)) if arms else None


def clip_first(run: Run) -> tuple[Prescription, ...]:
    """What to do where the script clips gradients that its step has used already."""
    seen = run.hygiene
    if 2 * seen.clip_late <= seen.clip_calls:
        return ()
    return (
        Prescription(
            "Clip between `backward()` and `step()`: behind the step it changes nothing that is "
            "used.",
            f"Of {seen.clip_calls} calls {seen.clip_late} came behind the step.",
            edits=("clip-first",),
        ),
    )
