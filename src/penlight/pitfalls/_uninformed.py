"""Recognises a run in which everything works except that there is nothing to learn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from penlight.core.finding import Evidence
from penlight.core.run import Run
from penlight.core.vocabulary import DEPENDENCE, TRAVEL
from penlight.pitfalls._curves import progress
from penlight.pitfalls._rates import arms

LEARNT = 0.05  # share of the entropy: what 200 steps of slow memorising bring
REACTS = 0.02  # dependence of the last module's output on the sample
LIT = 0.02  # light left at the darkest layer
MOVED = 0.02  # travel of the weight matrix that moved least
TOUCHED = 0.03  # share of chance by which the best replayed rate may get below it
STEPS = 200  # shorter runs may just be slow starters
CLASSES = 3  # two-class tasks near chance are often just hard (will it rain, will it rise)
MASKS = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
DEALT = 0.01  # of the loss, by which it grows with other rows' inputs; 0.5 and more in sound runs
NAMED = 0.005  # of the places, beyond the most frequent class
FOLLOWS = 0.05  # of the largest output, by which a row's own moves with its input
BELOW = 0.99  # of the entropy: a map of where things tend to be is learnt, so the training works
PLATEAUS = (  # known for slow starts
    "LSTM", "GRU", "RNN", "SimpleRNN", "MultiheadAttention", "MultiHeadAttention", "Embedding",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Uninformed:
    """The numbers behind the verdict."""

    loss: float
    chance: float
    evidence: tuple[Evidence, ...]


def listens_and_learns_nothing(run: Run) -> Uninformed | None:
    """Whether a classifier stays at chance although inputs, gradients, weights and rate are fine.

    None unless every one of the other explanations is excluded by a measurement.
    """
    seen, targets, compared = progress(run), run.targets(), run.exam("rates")
    if (
        seen is None
        or seen.chance is None
        or seen.learnt is None
        or targets is None
        or compared is None
    ):
        return None
    if run.steps < STEPS or len(run.optimizers) != 1 or seen.diverged or seen.learnt >= LEARNT:
        return None
    if seen.end > (1 + LEARNT) * seen.chance or sum(n > 0 for n in targets.classes) < CLASSES:
        return None
    if any(m.type in PLATEAUS for m in run.modules) or not run.modules:
        return None
    if any(p.equal_rows for p in run.parameters):
        return None  # units that all do the same learn next to nothing from any labels
    own = float(compared.values.get("start", math.nan))
    ends = [v for v in arms(compared) if math.isfinite(v)]
    if not ends or not math.isfinite(own) or min(ends) < (1 - TOUCHED) * seen.chance:
        return None
    last = run.series(DEPENDENCE, run.modules[-1].name)
    light = min((float(s.values[-1]) for s in run.light.values() if s), default=0.0)
    matrices = {p.name for p in run.parameters if len(p.shape) > 1 and p.requires_grad}
    travel = min(
        (float(s.values[-1]) for s in run.every(TRAVEL) if s.site in matrices), default=0.0
    )
    if not last or float(last.values[-1]) < REACTS or light < LIT or travel < MOVED:
        return None
    return Uninformed(
        seen.end,
        seen.chance,
        (
            Evidence(
                "objective_loss",
                f"{seen.learnt:.1%} of the labels' entropy was learnt in {run.steps} steps",
                value=seen.learnt,
                limit=LEARNT,
            ),
            Evidence(
                "rates",
                "from the first state no rate from a tenth to a hundredfold got below "
                f"{min(ends):.3g}",
                value=min(ends),
                limit=(1 - TOUCHED) * seen.chance,
            ),
            Evidence(
                "dependence",
                f"the outputs differ between samples ({float(last.values[-1]):.0%} of their "
                "power), "
                f"{light:.0%} of the light reaches the darkest layer, every matrix moved by at "
                "least "
                f"{travel:.0%}",
                where=run.modules[-1].name,
                value=float(last.values[-1]),
                limit=REACTS,
            ),
        ),
    )


def fits_any_row(run: Run) -> Uninformed | None:
    """Whether masks are learnt as a map of where things tend to be, and nothing from the pictures.

    The loss is below what one answer for all places costs, and the outputs follow the input; still
    the answers fit other rows' masks as well as their own.
    """
    seen, objective = progress(run), run.objective
    dealt, coupling = run.exam("shuffled"), run.exam("coupling")
    if seen is None or objective is None or dealt is None or coupling is None:
        return None
    dense = len(objective.target_shape) > 2 and objective.function in MASKS
    if (
        not dense
        or objective.weighted
        or len(run.optimizers) != 1
        or "accuracy" not in dealt.values
    ):
        return None
    own, shuffled = float(dealt.values["true"]), float(dealt.values["shuffled"])
    right, most = (float(dealt.values[k]) for k in ("accuracy", "majority"))
    guess = sum(-p * math.log(p) for p in (most, 1 - most) if p > 0)
    if run.steps < STEPS or seen.falling or own > BELOW * guess or right > most + NAMED:
        return None
    moved = float(coupling.values["own"])
    if shuffled - own > DEALT * own or moved < FOLLOWS:
        return None
    return Uninformed(
        own,
        guess,
        (
            Evidence(
                "shuffled",
                f"with the inputs dealt to other rows the loss is {shuffled:.4g}, with their own "
                f"{own:.4g}",
                value=(shuffled - own) / own,
                limit=DEALT,
            ),
            Evidence(
                "shuffled",
                f"{right:.1%} of the places are named rightly, {most:.1%} are of the most frequent "
                "class",
                value=right - most,
                limit=NAMED,
            ),
            Evidence(
                "coupling",
                f"another input moves a row's outputs by {moved:.0%} of the largest",
                value=moved,
                limit=FOLLOWS,
            ),
        ),
    )
