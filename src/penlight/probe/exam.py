"""Experiments after the training, on copies: what would another choice have done?

Where two causes look alike the same steps are run again under one change. All exams together
keep to what is left of the budget, work on deep copies, put the random state back, and touch
nothing of the script's.

Exams, by name, and their values:
    rates       from the first state, the same batches at lr x 0.1, 1, 10, 100: loss on the probe
                batches before ("start") and after ("x0.1", "x1", ...), steps, lr
    rates_end   the same from the last state, without x100
    scaled      from the first state at the script's rate, every input feature standardised: loss on
                the probe batches before ("start") and after ("end"), steps
    modes       loss on the probe batches in training and in evaluation mode
    memory      for a recurrent model: gradient of its output at each time step of the input, as a
                share of the largest, from the first state ("start") and the last ("end"), and
                whether the first tenth of the steps goes with the targets ("told")
    shuffled    loss with the inputs dealt to other targets, beside the true one; how many answers
                are right ("accuracy", and "majority", the share of the most frequent label) or how
                much of the variance is "explained"; whether the targets are the inputs ("rebuilt")
    halves      one half of the rows is learnt from, at the better of x1 and x10, and the other
                half asked; see `penlight.probe.heldout`
    wide        the same with narrow layers widened, and the model as it is ("own") beside it
and those of `penlight.probe.conditions`, `penlight.probe.dependence` and `penlight.probe.replays`.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Container, Iterator
from time import thread_time
from typing import Any

import torch
from torch import Tensor, nn

from penlight.core import facts as f
from penlight.probe import dependence, memory, replays
from penlight.probe.capture import Batch, Capture, OutOfTimeError, UnrepeatableError
from penlight.probe.conditions import conditions
from penlight.probe.heldout import HeldOut, widened
from penlight.probe.pairs import Shelf
from penlight.probe.state import State
from penlight.signals.predictions import Tally, explained, predictions

STEPS = 40  # steps an arm runs at most
FEWEST = 8  # fewer than this many say nothing
PATIENCE = 0.8  # share of all seconds left that may be spent on so few, where steps are slow
FACTORS = (1.0, 0.1, 10.0, 100.0)
LATE_FACTORS = FACTORS[:3]  # nobody asks for a hundredfold rate of a trained state
QUICK = {"foreach": True}
GRACE = 0.3  # seconds an experiment may run late, rather than be lost; then no pass begins any more
PROBE = 8  # batches the arms are judged on
ROWS = 64  # and as many more as hold these together, where two modes are compared
SCORED = 30  # answers: the share of right ones among fewer says little
LARGE = 3.0  # size of the largest input feature, 1 when standardised, or its inverse


class Exam:
    """Runs the experiments that the captured batches allow.

    Args:
        capture: batches and states.
        reached: ids of the parameters that training losses reach.
        seconds: what all exams together may take.
        held_out: rows of an evaluation, with their targets.
    """

    def __init__(
        self,
        state: State,
        capture: Capture,
        reached: Container[int],
        seconds: float,
        held_out: Shelf | None = None,
    ) -> None:
        self.state = state
        self.capture = capture
        self.held_out = held_out
        self.reached = reached
        self.deadline = thread_time() + seconds
        capture.deadline = self.deadline + GRACE

    def run(self) -> None:
        """Run all exams and write their facts; random state is put back."""
        capture = self.capture
        if capture.model is None or not capture.start:
            return
        random = torch.get_rng_state()
        try:
            with torch.enable_grad():
                begin, end = self._copies(capture.model)
                capture.thaw(begin)
                capture.thaw(end)
                if not self._rewind(begin) or not self._replays(begin):
                    self.state.blinded("replays", "a training step could not be repeated by value")
                    return
                if not capture.aims(capture.first[0]):
                    self.state.blinded("replays", "the model draws its targets anew in each pass")
                    return
                late = list(capture.last) or capture.first
                step, since = self.state.step, capture.since
                for name, values in self._exams(begin, end, late):
                    if values:
                        self.state.write(f.Exam(name=name, step=step, values=values, since=since))
                    capture.train(begin)
                    capture.train(end)
        except OutOfTimeError:
            pass  # what was found until then is written
        except UnrepeatableError as error:
            self.state.blinded("replays", f"the model does not run again on its own ({error})")
        finally:
            torch.set_rng_state(random)

    def _copies(self, model: nn.Module) -> tuple[nn.Module, nn.Module]:
        try:
            return copy.deepcopy(model), copy.deepcopy(model)
        except Exception as error:  # it keeps a result with its graph, an open file, ...
            raise UnrepeatableError(f"{type(error).__name__}: {error}") from error

    def _exams(
        self, begin: nn.Module, end: nn.Module, late: list[Batch]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "cut", self._tried(dependence.cut, begin)
        yield "coupling", self._tried(dependence.coupling, begin)
        yield "reach", self._tried(dependence.reach, begin)
        yield "causality", self._tried(dependence.causality, begin)
        if self.capture.optimizer is None:
            return
        yield "modes", self._tried(Exam._modes, end, _enough(late, self.capture.first))
        yield "shuffled", self._tried(Exam._shuffled, end, late)
        yield "conditions", self._tried(conditions, end, late)
        yield "memory", self._tried(Exam._memory, begin, end)
        yield "order", self._tried(dependence.order, end)
        if self.held_out is not None:
            yield "rescaled", self._tried(replays.rescaled, end, self.held_out)
        yield "conventions", self._tried(replays.conventions, begin)
        whole = self.left()
        batches = self._standardised()
        share = (0.35 if batches else 0.45) * whole
        rates = self._tried(Exam._rates, begin, self.capture.first, share)
        yield "rates", rates
        yield "scaled", self._tried(Exam._scaled, begin, batches, 0.3 * self.left())
        yield "forgotten", self._tried(replays.forgotten, end, begin, late)
        yield "fresh", self._tried(replays.fresh, begin, end, late, 0.2 * self.left())
        yield "rates_end", self._tried(Exam._rates, end, late, 0.6 * self.left(), LATE_FACTORS)
        yield from self._tried(Exam._halves, begin, rates).items()

    def _tried(self, experiment: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
        """What an experiment found; one that the model refuses ends no other one."""
        try:
            return experiment(self, *given)
        except UnrepeatableError as error:
            name = experiment.__name__.lstrip("_")
            self.state.blinded("replays", f"the model refused the experiment {name!r} ({error})")
            return {}

    def left(self) -> float:
        """Seconds left to all experiments."""
        return self.deadline - thread_time()

    def _rewind(self, model: nn.Module) -> bool:
        """Give a copy its first weights; False when its layers are no longer those of the start."""
        now = model.state_dict()
        if {k: v.shape for k, v in now.items()} != {
            k: v.shape for k, v in self.capture.start.items()
        }:
            return False
        model.load_state_dict(self.capture.start)
        return True

    # -- can it be repeated? --------------------------------------------------------------

    def _replays(self, begin: nn.Module) -> bool:
        """Whether the first step gives its loss again; under dropout within a factor of two."""
        batch = self.capture.first[0]
        self.capture.train(begin)
        with torch.no_grad():
            values = [float(self.capture.loss(begin, batch)) for _ in range(2)]
        if not all(math.isfinite(v) for v in (*values, batch.loss)):
            return False
        if values[0] != values[1]:
            return 0.5 < (values[0] + 1e-9) / (batch.loss + 1e-9) < 2.0
        return abs(values[0] - batch.loss) <= 1e-4 * max(abs(batch.loss), 1e-6)

    # -- learning rates -------------------------------------------------------------------

    def _rates(
        self,
        model: nn.Module,
        batches: list[Batch],
        seconds: float,
        factors: tuple[float, ...] = FACTORS,
    ) -> dict[str, Any]:
        assert self.capture.optimizer is not None
        groups = self.capture.optimizer[1]
        probes = batches[:PROBE]
        base = [float(g.get("lr", 0.0)) for g in groups]
        if not probes or not base[0] > 0.0:
            return {}
        start = thread_time()
        before = self.judge(model, probes)
        judging = thread_time() - start
        if not math.isfinite(before):
            return {}
        values: dict[str, Any] = {"start": before, "lr": base[0]}
        steps = 0
        for factor in factors:
            arm, optimizer = self.arm(model, factor)
            if optimizer is None:
                return {}
            if steps:
                self.train(arm, optimizer, batches, steps, math.inf)
            else:
                share, most = seconds / len(factors), PATIENCE * self.left() / len(factors)
                steps = self.train(arm, optimizer, batches, STEPS, share - judging, most - judging)
                if steps < FEWEST:
                    return {}
            values[f"x{factor:g}"] = self.judge(arm, probes)
        values["steps"] = steps
        return values

    def _standardised(self) -> list[Batch]:
        """The first batches with standardised features; [] where they are on scale already."""
        batches = self.capture.first
        x = batches[0].args[0]
        if not 2 <= x.dim() <= 4 or not x.is_floating_point() or len(x) < 2 or self.capture.ids:
            return []
        place = self.capture.feature_dim(x)
        given = [b.args[0] for b in batches if b.args[0].shape[place] == x.shape[place]]
        rows = replays.features(given, place)
        mean, std, size = rows.mean(0), rows.std(0), rows.square().mean(0).sqrt()
        moving = std > 1e-6 * size
        if not bool(moving.any()) or not bool(torch.isfinite(size).all()):
            return []
        if float(size.max()) < LARGE and float(size.max()) > 1 / LARGE:
            return []
        std = torch.where(moving, std, torch.ones_like(std))
        result = []
        for batch in batches:
            turned = copy.copy(batch)
            first = (batch.args[0].double().movedim(place, -1) - mean) / std
            turned.args = (first.movedim(-1, place).to(x.dtype), *batch.args[1:])
            result.append(turned)
        return result

    def _scaled(self, model: nn.Module, batches: list[Batch], seconds: float) -> dict[str, Any]:
        if not batches or seconds <= 0:
            return {}
        before = self.judge(model, batches[:PROBE])
        arm, optimizer = self.arm(model, 1.0)
        if optimizer is None or not math.isfinite(before):
            return {}
        steps = self.train(arm, optimizer, batches, STEPS, seconds)
        if steps < FEWEST:
            return {}
        return {"start": before, "end": self.judge(arm, batches[:PROBE]), "steps": steps}

    def arm(self, model: nn.Module, factor: float) -> tuple[nn.Module, Any]:
        """A copy with an optimiser of the script's kind at `factor` times its rates, or None."""
        assert self.capture.optimizer is not None
        kind, groups = self.capture.optimizer
        arm = copy.deepcopy(model)
        if _wants_closure(kind):
            return arm, None
        named = dict(arm.named_parameters())
        given = groups[0]  # on the CPU foreach is off unless asked for, and a third faster
        own = given.get("foreach", False) is not None or given.get("fused")
        change = {} if own or isinstance(given.get("lr"), Tensor) else QUICK
        try:
            return arm, kind(
                [
                    {
                        **g,
                        **change,
                        "params": [named[n] for n in g["params"]],
                        "lr": g["lr"] * factor,
                    }
                    for g in groups
                    if g["params"]
                ]
            )
        except (TypeError, ValueError):  # an optimiser with a signature of its own
            return arm, None

    def train(
        self,
        arm: nn.Module,
        optimizer: Any,
        batches: list[Batch],
        limit: int,
        seconds: float,
        patience: float = 0.0,
    ) -> int:
        """Steps done over the batches, at most `limit`, in about `seconds`.

        `patience`: seconds that may be spent until FEWEST steps are done.
        """
        begun, done = thread_time(), 0
        while done < limit:
            optimizer.zero_grad()
            loss = self.capture.loss(arm, batches[done % len(batches)])
            if not math.isfinite(float(loss)):
                break
            self.capture.step(optimizer, loss)
            done += 1
            taken = thread_time() - begun
            if taken > seconds and (done >= FEWEST or taken > patience):
                break
        return done

    def judge(self, model: nn.Module, probes: list[Batch], *, apart: bool = False) -> float:
        """Mean loss over batches; `apart`: each with its own statistics in a batch norm."""
        with torch.no_grad():
            batches = probes if apart else self.capture.merged(probes)
            losses = [float(self.capture.loss(model, b)) for b in batches]
        return sum(losses) / len(losses)

    def _halves(self, model: nn.Module, rates: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Learn from half of the rows and ask about the others, also with a wider model."""
        if not rates:
            return {}
        factor = min(
            (1.0, 10.0), key=lambda x: (not math.isfinite(rates[f"x{x:g}"]), rates[f"x{x:g}"])
        )
        held = HeldOut(self.capture, lambda m: self.arm(m, factor), self.capture.first)
        wide = widened(model)
        steps = held.steps(model, self.left() / (3 if wide else 1))
        if not steps:
            return {}
        own = held.learn(model, steps)
        found = held.learn(wide, steps) if wide is not None and own else {}
        return {"halves": own, "wide": {**found, "own": own["held"]} if found else {}}

    def _memory(self, begin: nn.Module, end: nn.Module) -> dict[str, Any]:
        batch = self.capture.first[0]
        first, last = (memory.reach(m.eval(), batch, self.capture.output) for m in (begin, end))
        if not first or not last:
            return {}
        length = len(first["light"])
        early = range(max(1, length // 10))
        told = memory.informed(self.capture.first, early, length)
        return {**last, "start": first["light"], "end": last["light"], "told": told}

    # -- modes and information ------------------------------------------------------------

    def _modes(self, model: nn.Module, batches: list[Batch]) -> dict[str, Any]:
        state = copy.deepcopy(model.state_dict())
        training = self.judge(model, batches, apart=True)
        model.load_state_dict(state)
        model.eval()
        return {"train": training, "eval": self.judge(model, batches)}

    def _shuffled(self, model: nn.Module, batches: list[Batch]) -> dict[str, Any]:
        """Deal the inputs to other targets: a model that uses its input gets worse."""
        true, dealt = [], []
        for batch in batches[:PROBE]:
            if batch.args[0].shape[0] < 2:
                continue
            turned = copy.copy(batch)
            turned.args = tuple(
                a.roll(1, 0) if a.dim() and a.shape[0] == batch.args[0].shape[0] else a
                for a in batch.args
            )
            true.append(batch)
            dealt.append(turned)
        if not true:
            return {}
        model.eval()
        values = {**self._scored(model, true), "shuffled": self.judge(model, dealt)}
        rebuilt = [torch.equal(b.target.flatten(), b.args[0].flatten()) for b in true]
        return {**values, "rebuilt": all(rebuilt)}

    def _scored(self, model: nn.Module, batches: list[Batch]) -> dict[str, Any]:
        """The loss as `judge` has it, and how many answers are right.

        The steps that looked may all lie long before the end.
        """
        tally, losses = Tally(), []
        with torch.no_grad():
            for batch in self.capture.merged(batches):
                answer = self.capture.prediction(model, batch)
                losses.append(float(self.capture.compare(answer, batch)))
                predictions(tally, batch.name, answer, batch.target, batch.kwargs)
        values, share = {"true": sum(losses) / len(losses)}, explained(tally)
        if tally.counted >= SCORED:
            most = max(tally.labels) / max(1, sum(tally.labels))
            return {**values, "accuracy": tally.right / tally.counted, "majority": most}
        if share is not None and tally.values >= SCORED:
            return {**values, "explained": share}
        return values


def _wants_closure(kind: Any) -> bool:
    """Whether an optimiser's step is nothing without a closure, as that of LBFGS."""
    step = getattr(kind, "step", None)
    given = inspect.signature(step).parameters.get("closure") if step is not None else None
    return given is not None and given.default is inspect.Parameter.empty


def _enough(late: list[Batch], first: list[Batch]) -> list[Batch]:
    """PROBE late batches, and more while they hold fewer than ROWS rows, early ones at last."""
    newest = {b.step for b in late}
    batches = [*late, *(b for b in first if b.step not in newest)]
    rows = [b.args[0].shape[0] for b in batches]
    return [b for i, b in enumerate(batches) if i < PROBE or sum(rows[:i]) < ROWS]
