"""When to look: dense at the start, then as often as the budget allows.

Two levels. A *full* look hooks every module and walks the graph; a *light* look reads gradients,
weights and updates at the optimiser's boundary. Between looks only the loss and the cheap
sentinels are kept. The governor measures its own cost, so the share of time spent stays under
`budget` once the one-second `allowance` is used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

DENSE = 32  # looks at every step at the start: most faults of wiring and scale show there
PER_OCTAVE = 48  # looks for each doubling of the step number after that
IDLE = 0.2  # share of the budget for the hooks that wait between looks
OCTAVES = 5  # doublings of the run's length that the rest of the budget is spread over
EXAM = 0.5  # seconds of the allowance kept for the experiments after the training
LIGHT_EVERY = 10  # the optimiser boundary, steps (notes/performance.md: under 0.4% on an MLP)


@dataclass
class Governor:
    """Decides which steps are looked at.

    Args:
        budget: share of the training's time that watching may take, e.g. 0.01.
        allowance: seconds a run that may be spent beyond that.
        fixed: ignore the clock, so that all ranks of a distributed run look at the same steps.
    """

    budget: float = 0.01
    allowance: float = 1.0
    fixed: bool = False
    started: float = 0.0
    next_full: int = 0
    next_light: int = 0
    full_cost: float = 0.0  # of the dearest recent full look, decaying

    def __post_init__(self) -> None:
        self.started = perf_counter()

    def room(self, spent: float, keep: float = EXAM) -> float:
        """Seconds still free of the budget when `keep` of the allowance is held back."""
        earned = self.budget * (perf_counter() - self.started)
        return max(self.allowance - keep, 0.0) + earned - spent

    def full(self, step: int, spent: float) -> bool:
        """Whether to take a full look at `step`, given the seconds spent so far."""
        if step < self.next_full:
            return False
        if step > 0 and not self.fixed and self.room(spent) < 1.5 * self.full_cost:
            return False
        self.next_full = step + self._pause(step, spent)
        return True

    def _pause(self, step: int, spent: float) -> int:
        """Steps to the next full look: what is left must last for some doublings of the run."""
        if step < DENSE:
            return 1
        looks = PER_OCTAVE
        if not self.fixed and self.full_cost > 0:
            looks = max(1, min(PER_OCTAVE, int(self.room(spent) / self.full_cost / OCTAVES)))
        return max(2, step // looks)

    def light(self, step: int, spent: float) -> bool:
        """Whether to look at gradients and updates at `step`."""
        if step < self.next_light:
            return False
        if step > 0 and not self.fixed and self.room(spent) <= 0.0:
            return False
        self.next_light = step + (1 if step < DENSE else LIGHT_EVERY)
        return True

    def watchful(self, idle: float) -> bool:
        """Whether the module hooks may stay on between looks, to see evaluation passes begin."""
        share = IDLE * self.budget * (perf_counter() - self.started)
        return not self.fixed and idle < IDLE * self.allowance + share

    def paid(self, seconds: float) -> None:
        """Report what one full look has cost."""
        self.full_cost = max(seconds, 0.9 * self.full_cost)
