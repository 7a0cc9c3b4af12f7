"""Reads the exam `shift`: are training rows of another kind than held-out rows, and who pays?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from penlight.core.finding import Evidence
from penlight.core.run import Run
from penlight.pitfalls._evaluations import held_out_passes

APART = 0.6  # of fresh rows told apart rightly; healthy scripts stay within three errors of a half
SIGMAS = 4.0  # one chance in 30,000
PLAIN = 0.9  # of fresh rows told apart: where nearly each gives itself away, 1 in 700 is enough
LESS = 3.0
NOTHING, RULE = 0.9, 0.5  # of the loss of a blind answer: no rule was found, one was
LOSS = 0.1  # in errors per row, or in shares of the variance
ROOMY = 3  # batches' worth of rows: fewer cannot show whether rows come again


@dataclass(frozen=True, slots=True)
class Shift:
    """Two kinds of rows.

    Attributes:
        apart: share of fresh rows that a small learner tells apart; 0.5 knows nothing.
        z: its distance from one half in standard errors.
        inside: loss of a small learner on other training rows: errors, or shares of the variance.
        outside: its loss on held-out rows.
        own: loss there of one that learnt from as many held-out rows.
        model: loss of the run's own model there, or on its last held-out pass; None: unknown.
        blank: its loss without a look at the rows.
        sure: whether `outside` and `own` differ beyond noise.
        lost: whether what is learnt from training rows holds less for held-out rows, beyond noise.
        beaten: whether the run's model does worse than that small learner, beyond noise.
        shown: whether rows like the held-out ones are shown in training as well, without targets.
        drawn_anew: whether training rows never come again: they are changed at random.
    """

    apart: float
    z: float
    inside: float
    outside: float
    own: float
    blank: float
    model: float | None
    sure: bool
    lost: bool
    beaten: bool
    shown: bool
    drawn_anew: bool
    classes: bool
    rows: int

    @property
    def told_apart(self) -> bool:
        """Whether the rows themselves differ, beyond chance and by more than a trifle."""
        return _apart(self.apart, self.z)

    @property
    def unrelated(self) -> bool:
        """Whether training targets say nothing of their rows, where held-out targets do.

        The run's own model must have found nothing, either: a small learner alone may fail on
        rows that are hard to read.
        """
        if self.apart > PLAIN or self.drawn_anew or self.model is None or not self.sure:
            return False
        nothing = self.blank if self.classes else 1.0
        taught = self.inside < NOTHING * nothing or self.outside < NOTHING * self.blank
        return not taught and self.own < RULE * self.blank and self.model > NOTHING * self.blank

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What was seen, for a finding."""
        unit = "of the held-out rows are named wrongly" if self.classes else "of the variance stays"
        found = []
        if self.told_apart:
            told = (
                f"a small learner tells training rows from held-out rows in {self.apart:.0%} of "
                f"{self.rows} fresh cases; rows of one kind give 50%"
            )
            found.append(Evidence("exam", told, value=self.apart, limit=APART))
        found.append(
            Evidence(
                "exam",
                f"{self.outside:.0%} {unit} by a small learner that saw training rows, "
                f"{self.own:.0%} by one that saw as many held-out rows",
                value=self.outside,
                limit=self.own + LOSS,
            )
        )
        if self.model is not None:
            found.append(
                Evidence(
                    "predictions",
                    f"{self.model:.0%} {unit} by the model itself",
                    value=self.model,
                    limit=self.own,
                )
            )
        return tuple(found)


def shift(run: Run) -> Shift | None:
    """What the exam says; None where it could not be asked."""
    exam = run.exam("shift")
    if exam is None or "own" not in exam.values:
        return None
    v = {k: float(x) for k, x in exam.values.items() if isinstance(x, (int, float))}
    classes = bool(exam.values.get("classes"))
    model = v["model"] if "model" in v else _model(run, classes)
    rows = v["rows"] / 2
    noise = math.sqrt(max(v["own"] * (1 - v["own"]), 0.01) / max(rows, 1)) if classes else LOSS
    return Shift(
        apart=v["apart"],
        z=v["z"],
        inside=v["inside"],
        outside=v["outside"],
        own=v["own"],
        blank=v["blank"],
        model=model,
        sure=v["own_t"] > LESS,
        lost=v["outside"] - v["own"] > LOSS
        and v["own_t"] > (LESS if v["apart"] > PLAIN else SIGMAS),
        beaten=model is not None and model - v["own"] > max(3 * noise, LOSS),
        shown="beside" in v and not _apart(v["beside"], v["beside_z"]),
        drawn_anew=_drawn_anew(run),
        classes=classes,
        rows=int(v["rows"]),
    )


def _apart(share: float, z: float) -> bool:
    return share > APART and z > SIGMAS


def _model(run: Run, classes: bool) -> float | None:
    """Loss of the model on the last held-out pass: errors, or the share of the variance left."""
    for passes in held_out_passes(run):
        last = passes[-1]
        if classes and last.accuracy is not None:
            return 1 - last.accuracy
        if not classes and last.explained is not None:
            return 1 - last.explained
    return None


def _drawn_anew(run: Run) -> bool:
    """Whether no training row ever came again although the training set must have done so."""
    passes = next(iter(held_out_passes(run)), [])
    objective = run.objective
    if len(passes) < 3 or not run.inputs or objective is None or not objective.target_shape:
        return False
    epoch = min(b.step - a.step for a, b in pairwise(passes)) * objective.target_shape[0]
    seen = max(run.inputs, key=lambda i: i.samples)
    return seen.repeated_rows < 0.001 and run.steps * objective.target_shape[0] > ROOMY * epoch
