"""Runs arms for a search: what was run once is not run again, and the cost is counted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from penlight.trial.arm import Job
from penlight.trial.arms import Arm, Pool

TICK = 0.2  # seconds between two words about the progress
PATIENCE = 10.0  # an arm may take so many times as long as the script as it is
GRACE = 30.0  # seconds on top
LIMIT = 24 * 3600.0  # seconds for the script as it is


class Spent(Exception):  # noqa: N818  # no error: the time is over
    """The budget is used up."""


class Listener(Protocol):
    """Is told how the trial goes."""

    def phase(self, text: str) -> None:
        """Something new begins."""

    def progress(self, done: int, total: int, left: float | None) -> None:
        """So many arms of the phase have ended; about `left` seconds remain in it."""


class Quiet:
    """A listener that does nothing."""

    def phase(self, text: str) -> None:
        """Nothing."""

    def progress(self, done: int, total: int, left: float | None) -> None:
        """Nothing."""


@dataclass
class Bench:
    """Runs a script with texts replaced.

    Args:
        pool: where.
        job: the script as it is.
        budget: what may be spent, in runs of the script as it is.
        seconds: what may be spent in all, from now on; None for no limit.
    """

    pool: Pool
    job: Job
    listener: Listener = field(default_factory=Quiet)
    budget: float = 20.0
    seconds: float | None = None
    unit: float = 0.0  # seconds of the script as it is
    steps: int = 0  # its optimiser steps
    cost: float = 0.0  # runs spent
    stage: str = "diagnosis"  # what they are spent on at the moment
    spent: dict[str, float] = field(default_factory=dict)  # runs by stage
    arms: int = 0
    began: float = field(default_factory=time.monotonic)
    _known: dict[tuple[tuple[tuple[str, str], ...], int, int | None], Arm] = field(
        default_factory=dict
    )

    @property
    def left(self) -> float:
        """Runs that may still be spent."""
        left = self.budget - self.cost
        if self.seconds is not None and self.unit > 0:
            rest = self.seconds - (time.monotonic() - self.began)
            left = min(left, rest / self.unit * self.pool.slots)
        return left

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return self.seconds is not None and time.monotonic() - self.began > self.seconds

    def share(self, horizon: int | None) -> float:
        """What an arm of that horizon costs, in runs of the script as it is."""
        return 1.0 if horizon is None or not self.steps else min(1.0, horizon / self.steps)

    def first(self) -> Arm:
        """The script as it is, to its end."""
        arm = self._run([self.job], LIMIT)[0]
        self.unit, self.steps = max(arm.seconds, 0.05), arm.steps
        self._known[_key(self.job)] = arm
        return arm

    def run(
        self,
        wanted: Sequence[tuple[Mapping[str, str], int]],
        horizon: int | None = None,
        *,
        reserved: bool = False,
    ) -> list[Arm]:
        """Arms for (texts, pair), in the same order.

        Args:
            wanted: what to run.
            horizon: optimiser steps; None for the whole run.
            reserved: the budget was kept for these.

        Raises:
            Spent: there is no time left for another arm.
        """
        jobs = [
            replace(self.job, texts=dict(texts), pair=pair, horizon=horizon)
            for texts, pair in wanted
        ]
        missing = {_key(job): job for job in jobs if _key(job) not in self._known}
        if missing and (self.late or (self.left <= 0 and not reserved)):
            raise Spent
        limit = PATIENCE * self.unit + GRACE
        for arm in self._run(list(missing.values()), limit):
            self._known[_key(arm.job)] = arm
        return [self._known[_key(job)] for job in jobs]

    def known(self, texts: Mapping[str, str], pair: int, horizon: int | None = None) -> Arm | None:
        """An arm that has run already."""
        job = replace(self.job, texts=dict(texts), pair=pair, horizon=horizon)
        return self._known.get(_key(job))

    def _run(self, jobs: Sequence[Job], limit: float) -> list[Arm]:
        for job in jobs:
            self.pool.start(job, limit)
        done: list[Arm] = []
        began = newest = time.monotonic()
        while len(done) < len(jobs):
            for arm in self.pool.finished(TICK):
                newest = time.monotonic()
                done.append(arm)
                # By steps and not by time: arms that share the cores are slower, but not dearer.
                runs = arm.steps / self.steps if self.steps else self.share(arm.job.horizon)
                self.cost += runs
                self.spent[self.stage] = self.spent.get(self.stage, 0.0) + runs
                self.arms += 1
            self.listener.progress(
                len(done), len(jobs), self._estimate(began, newest, len(done), jobs)
            )
        return done

    def _estimate(
        self, began: float, newest: float, done: int, jobs: Sequence[Job]
    ) -> float | None:
        """Seconds to the end of some jobs, as far as the past ones tell."""
        if not self.unit or not jobs:
            return None
        slots = min(self.pool.slots, len(jobs))
        each = self.unit * self.share(jobs[0].horizon)
        if done:
            each = max(each, (newest - began) / done * slots)
        rounds = -(-(len(jobs) - done) // slots)
        return max(0.0, each * rounds - (time.monotonic() - newest))


def _key(job: Job) -> tuple[tuple[tuple[str, str], ...], int, int | None]:
    return tuple(sorted(job.texts.items())), job.pair, job.horizon
