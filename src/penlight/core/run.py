"""A recorded run, read-only: the same whether it comes from memory or from disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from penlight.core import facts as f
from penlight.core.vocabulary import OUTPUT_GRAD, Signal

Array = npt.NDArray[np.float64]
RECENT = 20  # looks: the light of now is the median over so many of the last ones


@dataclass(frozen=True)
class Series:
    """Values of one signal at one site: `steps` ascending, `values` of the same length."""

    signal: str
    site: str
    steps: npt.NDArray[np.int64]
    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def __bool__(self) -> bool:
        return len(self.values) > 0

    @property
    def finite(self) -> Series:
        """The same series without its non-finite points."""
        keep = np.isfinite(self.values)
        return (
            self
            if keep.all()
            else Series(self.signal, self.site, self.steps[keep], self.values[keep])
        )

    def between(self, first: float, last: float) -> Series:
        """Points with first <= step <= last."""
        keep = (self.steps >= first) & (self.steps <= last)
        return Series(self.signal, self.site, self.steps[keep], self.values[keep])

    def head(self, share: float, at_least: int = 1) -> Array:
        """The first `share` of the values, at least `at_least` of them."""
        return self.values[: max(at_least, int(len(self.values) * share))]

    def tail(self, share: float, at_least: int = 1) -> Array:
        """The last `share` of the values, at least `at_least` of them."""
        return self.values[-max(at_least, int(len(self.values) * share)) :]


class Run:
    """Everything one run left behind. Detectors take nothing else.

    Args:
        series: values by (signal name, site).
        facts: the facts in the order they were written.
    """

    def __init__(self, series: Mapping[tuple[str, str], Series], facts: Iterable[f.Fact]) -> None:
        self._series = dict(series)
        self.facts: tuple[f.Fact, ...] = tuple(facts)

    # -- curves ---------------------------------------------------------------------------

    def series(self, signal: Signal | str, site: str | None = None) -> Series:
        """The series of a signal at a site; the first site when none is named; may be empty."""
        name = str(signal)
        if site is None:
            sites = self.sites(name)
            site = sites[0] if sites else ""
        found = self._series.get((name, site))
        if found is not None:
            return found
        return Series(name, site, np.zeros(0, np.int64), np.zeros(0, np.float64))

    def sites(self, signal: Signal | str) -> list[str]:
        """All sites at which a signal was measured, in the order of first appearance."""
        name = str(signal)
        return [site for key, site in self._series if key == name]

    def all_series(self) -> Iterator[Series]:
        """Every series of every signal."""
        yield from self._series.values()

    def every(self, signal: Signal | str) -> Iterator[Series]:
        """Every non-empty series of a signal."""
        return (
            self.series(signal, site) for site in self.sites(signal) if self.series(signal, site)
        )

    # -- facts ----------------------------------------------------------------------------

    def all(self, kind: type[f.F]) -> list[f.F]:
        """All facts of a kind, in the order they were written."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def last(self, kind: type[f.F]) -> f.F | None:
        """The last fact of a kind, or None."""
        found = self.all(kind)
        return found[-1] if found else None

    @cached_property
    def header(self) -> f.Header:
        return self.last(f.Header) or f.Header()

    @cached_property
    def end(self) -> f.End | None:
        return self.last(f.End)

    @cached_property
    def hygiene(self) -> f.Hygiene:
        return self.last(f.Hygiene) or f.Hygiene()

    @cached_property
    def steps(self) -> int:
        """Optimiser steps done."""
        if self.end is not None:
            return self.end.steps
        counts = [int(s.steps[-1]) + 1 for s in self.every("loss")]
        return max([self.hygiene.steps, *counts])

    @cached_property
    def optimizers(self) -> list[f.Optimizer]:
        return self.all(f.Optimizer)

    def optimizer(self, index: int | None) -> f.Optimizer | None:
        """The optimiser of that index, None if there is none."""
        return next((o for o in self.optimizers if o.index == index), None)

    @cached_property
    def adaptive(self) -> bool:
        """Whether every optimiser of the run is of the Adam kind (False when none was seen)."""
        return bool(self.optimizers) and all(o.adaptive for o in self.optimizers)

    @cached_property
    def modules(self) -> list[f.Module]:
        """Leaf modules in order of execution."""
        last = {(m.root, m.name): m for m in self.all(f.Module)}
        return sorted(last.values(), key=lambda m: m.order)

    def module(self, name: str) -> f.Module | None:
        """The leaf module of that name."""
        return next((m for m in self.modules if m.name == name), None)

    @cached_property
    def parameters(self) -> list[f.Parameter]:
        last = {(p.root, p.name): p for p in self.all(f.Parameter)}
        return list(last.values())

    @cached_property
    def graphs(self) -> list[f.Graph]:
        return self.all(f.Graph)

    @cached_property
    def objectives(self) -> list[f.Objective]:
        """Training objectives, most called first."""
        last = {o.site: o for o in self.all(f.Objective) if o.phase == "train"}
        return sorted(last.values(), key=lambda o: -o.calls)

    @cached_property
    def objective(self) -> f.Objective | None:
        """The main training objective."""
        return self.objectives[0] if self.objectives else None

    def targets(self, objective: f.Objective | None = None) -> f.Targets | None:
        """Target statistics of an objective (the main one by default)."""
        objective = objective or self.objective
        if objective is None:
            return None
        found = [t for t in self.all(f.Targets) if t.objective == objective.site]
        return found[-1] if found else None

    @cached_property
    def inputs(self) -> list[f.Inputs]:
        last = {i.root: i for i in self.all(f.Inputs)}
        return list(last.values())

    def evaluations(self, held_out: bool = True) -> list[f.Predictions]:
        """Evaluation passes in order of time; by default only those on data not trained on."""
        passes = [p for p in self.all(f.Predictions) if p.phase == "eval"]
        if held_out:
            passes = [p for p in passes if p.training_rows is None or p.training_rows < 0.5]
        return passes

    def training_predictions(self) -> list[f.Predictions]:
        """Windows of training predictions, in order of time."""
        return [p for p in self.all(f.Predictions) if p.phase == "train"]

    def exam(self, name: str) -> f.Exam | None:
        """The last experiment of that name."""
        found = [e for e in self.all(f.Exam) if e.name == name]
        return found[-1] if found else None

    # -- light ----------------------------------------------------------------------------

    @cached_property
    def light(self) -> dict[str, Series]:
        """Light left at each module site, in order of execution from input to output.

        light(site, t) = ||dL/dz_site||_F / ||dL/dz_last||_F with z_last the output nearest to
        the loss (Doshi et al. 2023: averaged partial Jacobian norms). 1 at the lamp.
        """
        order = [m.name for m in self.modules if (OUTPUT_GRAD.name, m.name) in self._series]
        if not order:
            return {}
        lamp = self.series(OUTPUT_GRAD, order[-1])
        result: dict[str, Series] = {}
        for name in order:
            own = self.series(OUTPUT_GRAD, name)
            steps, here, there = np.intersect1d(
                own.steps, lamp.steps, assume_unique=True, return_indices=True
            )
            lit = lamp.values[there] > 0.0
            with np.errstate(over="ignore", invalid="ignore"):
                values = own.values[here][lit] / lamp.values[there][lit]
            result[name] = Series("light", name, steps[lit], values)
        return result

    @cached_property
    def light_now(self) -> dict[str, float]:
        """The light left at each module site, input first: the median of the last looks."""
        return {
            site: float(np.median(series.finite.values[-RECENT:]))
            for site, series in self.light.items()
            if series.finite
        }
