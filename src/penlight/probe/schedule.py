"""When to look: dense at the start, then as often as the budget allows.

Two levels. A *full* look hooks every module and walks the graph; a *light* look reads gradients,
weights and updates at the optimiser's boundary. Between looks the loss and the cheap sentinels are
kept, and where even those would cost too much, on most steps the loss alone. The governor measures
its own cost, so the share of time spent stays under `budget` once the one-second `allowance` is
used up. A *glimpse* keeps the rows of a step and reads nothing: it is so cheap that what the
training looked like late is known in any run: all of the allowance may go to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

DENSE = 32  # looks at every step at the start: most faults of wiring and scale show there
EARLY = 0.3  # share of the allowance for looks that is kept for the time after them
PER_OCTAVE = 48  # looks for each doubling of the step number after that
# Share of what we cost that our own clocks see; the budget pays for all of it. Where the training's
# CPU time said 2.0%, they said 0.9%, and where it said 1.6%, 0.77% (benchmarks/overhead/RESULTS.md,
# RESULTS-in-place.md): what the caches forget while we look, the training pays for afterwards.
SEEN = 0.45
IDLE = 0.4  # share of the budget for what is done between looks
SPARSE = 32  # steps from one sentinel to the next once that is used up
RETRY = 8  # steps until a look is tried again that there is no room for, at least, ...
RETRIES = 64  # ... and so often in a doubling of the step number
GLIMPSE_EVERY = 8  # steps from one glimpse to the next after the dense looks ...
GLIMPSES = 16  # ... until there are so many in a doubling
AGAIN = 16  # steps that are glimpsed at one after the other when another training begins
OCTAVES = 5  # doublings of the run's length that the rest of the budget is spread over
LATER = 0.25  # of the first look, for the next: it sets up what stays (0.02 to 0.07 on small nets)
EXAM = 0.5  # seconds of the allowance kept for the experiments after the training ...
JUDGED = 0.1  # ... of which evaluations borrow: they cost little, and the last ones tell most
SPARED = EXAM - JUDGED  # what they leave
LIGHT_EVERY = 10  # the optimiser boundary, steps (notes/performance.md: under 0.4% on an MLP) ...
LIGHT_PER_OCTAVE = 128  # ... until it is this often in a doubling: what a long run may fill a disk


@dataclass
class Governor:
    """Decides which steps are looked at.

    Args:
        budget: share of the training's time that watching may take, e.g. 0.01.
        allowance: seconds a run that may be spent beyond that.
    """

    budget: float = 0.01
    allowance: float = 1.0
    started: float = 0.0
    next_full: int = 0
    next_light: int = 0
    next_sentinel: int = 0
    next_glimpse: int = DENSE
    again_until: int = 0  # another training has begun: each step up to this one is glimpsed at
    full_cost: float = 0.0  # of the dearest recent full look, decaying

    def __post_init__(self) -> None:
        self.started = perf_counter()

    def room(self, spent: float, keep: float = EXAM) -> float:
        """Seconds still free of the budget when `keep` of the allowance is held back."""
        return max(self.allowance - keep, 0.0) + self._earned() - spent

    def _earned(self) -> float:
        """Seconds by our own clocks that the training's time so far has earned."""
        return SEEN * self.budget * (perf_counter() - self.started)

    def full(self, step: int, spent: float) -> bool:
        """Whether to take a full look at `step`, given the seconds spent so far."""
        if step < self.next_full:
            return False
        if step > 0 and self.room(spent) < 1.5 * self.full_cost:
            self.next_full = step + max(RETRY, step // RETRIES)
            return False
        self.next_full = step + self._pause(step, spent)
        return True

    def _pause(self, step: int, spent: float) -> int:
        """Steps to the next full look: what is left must last for some doublings of the run."""
        if step < DENSE and self.room(spent) > EARLY * (self.allowance - EXAM):
            return 1
        looks = PER_OCTAVE
        if self.full_cost > 0:
            looks = max(1, int(min(PER_OCTAVE, self.room(spent) / self.full_cost / OCTAVES)))
        return max(2, step // looks)

    def light(self, step: int, spent: float) -> bool:
        """Whether to look at gradients and updates at `step`."""
        if step < self.next_light:
            return False
        room = step == 0 or self.room(spent) > 0.0
        often = 1 if step < DENSE else max(LIGHT_EVERY, step // LIGHT_PER_OCTAVE)
        self.next_light = step + (often if room else max(RETRY, step // RETRIES))
        return room

    def glimpse(self, step: int, spent: float) -> bool:
        """Whether to keep the rows of `step`."""
        if step < self.next_glimpse:
            return False
        again = step < self.again_until
        self.next_glimpse = step + (1 if again else max(GLIMPSE_EVERY, step // GLIMPSES))
        return self.room(spent, keep=0.0) > 0.0

    def again(self, step: int) -> None:
        """Another training has begun in the step before."""
        self.again_until = step + AGAIN
        self.next_glimpse = min(self.next_glimpse, max(step, DENSE))

    def watchful(self, idle: float) -> bool:
        """Whether what is done between looks may go on: the sentinels of every step, and the
        module hooks, which see evaluation passes begin. `idle`: seconds spent on it so far."""
        return idle < IDLE * (self.allowance + self._earned())

    def sentinel(self, step: int, watchful: bool) -> bool:
        """Whether the sentinels look at `step`."""
        if not watchful and step < self.next_sentinel:
            return False
        self.next_sentinel = step + (1 if watchful else SPARSE)
        return True

    @property
    def due(self) -> int:
        """The next step at which there is something to decide."""
        return min(self.next_full, self.next_light, self.next_sentinel, self.next_glimpse)

    def paid(self, seconds: float) -> None:
        """Report what one full look has cost."""
        first = self.full_cost == 0.0
        self.full_cost = LATER * seconds if first else max(seconds, 0.9 * self.full_cost)
