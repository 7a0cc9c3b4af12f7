"""Puts the parts of the probe together once torch is there."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from penlight.core import facts as f
from penlight.core.vocabulary import OUTPUT_GRAD
from penlight.probe.attention import Attention
from penlight.probe.capture import Capture
from penlight.probe.carried import Carried
from penlight.probe.clipping import Clipping
from penlight.probe.compare import Comparisons
from penlight.probe.exam import Exam
from penlight.probe.flows import Flows
from penlight.probe.forward import Forward
from penlight.probe.graph import Walk
from penlight.probe.guard import Ledger, Patches
from penlight.probe.inspection import Inspection
from penlight.probe.loaders import Loaders
from penlight.probe.loading import Loading
from penlight.probe.models import Models
from penlight.probe.moments import Moments
from penlight.probe.nonfinite import NonFinites
from penlight.probe.objective import Objectives
from penlight.probe.offenders import Offenders
from penlight.probe.overlap import Overlaps
from penlight.probe.readout import Readout
from penlight.probe.replays import HELD
from penlight.probe.resume import Resume
from penlight.probe.routers import Routers
from penlight.probe.schedule import SPARED, Governor
from penlight.probe.schedulers import Schedulers
from penlight.probe.shards import Shards
from penlight.probe.sharing import shared, together
from penlight.probe.sink import Sink
from penlight.probe.state import State
from penlight.probe.stateless import untouched
from penlight.probe.still import unseen
from penlight.probe.syncs import Syncs
from penlight.probe.targets import Targets
from penlight.probe.training import Training
from penlight.probe.wiring import repeated


class Parts:
    """All that watches torch, hooked up."""

    def __init__(
        self,
        sink: Sink,
        ledger: Ledger,
        patches: Patches,
        budget: float,
        on_step: Callable[[], None],
    ) -> None:
        self.state = State(sink, Readout(sink), Governor(budget), ledger, Models())
        self._patch_construction(patches)
        self._patch_compile(patches)
        self.nonfinites = NonFinites(self.state)
        self.forward = Forward(self.state)
        ledger.calibrate()
        self.forward.calibrate()
        self._patch_dropout(patches)
        self.attention = Attention(self.state, self.forward, patches)
        self.objectives = Objectives(self.state, self.forward, patches)
        self.loaders = Loaders(self.state, patches)
        self.comparisons = Comparisons(self.state, self.forward, patches)
        self.comparisons.elsewhere = self.objectives.scoring
        self.forward.comparisons = self.comparisons
        self.moments = Moments(self.state)  # before the hook of Training, which ends the step
        self.forward.flows = self.flows = Flows(self.state)
        self.training = Training(self.state, self.forward, patches, self.nonfinites, on_step)
        self.clipping = Clipping(
            self.state, patches, lambda: self.training.scaled is not None, self.training.fresh
        )
        self.routers = Routers(self.state)
        self.overlaps = Overlaps(self.state)
        self.training.on_walk = self._walked
        self.schedulers = Schedulers(self.state, patches)
        self.resume = Resume(self.state, patches)
        self.loading = Loading(self.state, patches)
        self.forward.carried = self.carried = Carried(self.state, self.loading)
        self.syncs = Syncs(self.state, patches)
        self.shards = Shards(self.state, patches)
        self.forward.rows.fed = self.shards.fed
        begun = [self.schedulers.begin, self.resume.begin, self.syncs.begin, self._wiring]
        self.training.on_meet += begun
        self.training.on_look += [self.schedulers.look, self.forward.leaks.look]
        self.forward.on()

    def only(self, models: Sequence[Any], optimizers: Sequence[Any]) -> None:
        """Watch nothing but these; empty means everything."""
        self.state.models.restrict(models)
        self.training.only = {id(x) for x in optimizers}

    def keep_samples(self) -> None:
        """Keep some rows of the data that a finding may speak of."""
        offenders = Offenders(self.state)
        for part in (self.forward, self.forward.rows, self.nonfinites):
            part.offenders = offenders

    def preflight(self, model: nn.Module, optimizer: Optimizer | None, seconds: float) -> None:
        """Finish a check: one backward pass was seen and no step will follow.

        Args:
            optimizer: whose parameters are compared with the model's, if any.
            seconds: what the experiments may take.
        """
        self.state.governor.allowance += seconds
        self.training.preflight(model, optimizer)

    def broken(self, part: str) -> None:
        """A part is off for good. Without its clock the probe cannot tell looks from rests."""
        if part == "steps by hand":
            self.training.by_hand.none()
        if part == "optimiser hooks":
            self.state.rest()
            self.training.coast.on = False
            self.forward.off()

    def endings(self, patches: Patches, examine: bool) -> Iterator[tuple[str, Callable[[], None]]]:
        """What is left to do at the end, by part: hooks off first, then what each has to write."""
        yield "steps by hand", hidden(self.training.by_hand.finish)
        yield "hooks", self.forward.off
        yield "hooks", self.training.remove
        yield "hooks", self.moments.remove
        yield "hooks", patches.undo
        yield "comparisons", hidden(self.comparisons.close)
        yield "loss functions", hidden(self.objectives.finish)
        yield "schedulers", self.schedulers.finish
        yield "loading", self.loading.finish
        yield "data loaders", self.loaders.finish
        yield "carried states", self.carried.finish
        yield "device reads", self.syncs.finish
        yield "shards", self.shards.finish
        yield "overlaps", self.overlaps.finish
        yield "input statistics", hidden(self.forward.rows.finish)
        yield "input sizes", self.forward.scales.finish
        yield "asked columns", self.forward.columns.finish
        yield "training", hidden(self.training.finish)
        yield "hygiene", self._hygiene
        if examine:
            yield "flows", hidden(self.flows.finish)
            yield "inspection", hidden(self._inspect)
            yield "exam", self._exam

    def _walked(self, found: Walk) -> None:
        self.objectives.backward(found)
        self.routers.look(found)
        self.overlaps.look(found)

    def _wiring(self, optimizer: Optimizer) -> None:
        """Write once, at the first step, how ranks share the work and which layers are repeated."""
        if self.training.met == 1:
            for root in self.state.models.roots if together() else ():
                self.state.models.name(root)  # FSDP2 shows its shards only between two steps
            parallel = shared(self.state.models)
            if parallel.data or parallel.shards:
                self.state.write(parallel)
            for root in self.state.models.roots:
                for fact in repeated(root, self.state.models):
                    self.state.write(fact)

    def light(self) -> float | None:
        """Light at the first module as last seen."""
        return self.state.readout.last.get(OUTPUT_GRAD.name)

    def _left(self) -> float:
        """Seconds that the experiments may take."""
        return max(self.state.governor.room(self.state.ledger.cost, keep=0.0), SPARED)

    def _inspect(self) -> None:
        since = self.objectives.captures.main.since
        Inspection(self.state, self.objectives.pairs, 0.3 * self._left(), since).run()

    def _exam(self) -> None:
        objectives = self.objectives
        capture = objectives.captures.main
        held_out = objectives.pairs.newest(HELD, capture.since)
        if capture.since:
            self._later(capture)
        exam = Exam(self.state, capture, self.training.reached, self._left(), held_out)
        # A model that prints in its forward pass is not to print what the script never ran.
        with contextlib.redirect_stdout(io.StringIO()), untouched(capture.model):
            exam.run()

    def _later(self, capture: Capture) -> None:
        """Write which training is asked, and what its targets are."""
        objective = self.objectives.newest()
        if objective is None:
            return
        site = objective.site
        self.state.write(f.Later(since=capture.since, root=capture.label, objective=site))
        targets = Targets()
        for batch in (*capture.first, *capture.last):
            targets.add(objective, batch.target)
        found = targets.fact(objective)
        if found is not None:
            self.state.write(replace(found, objective=f.LATER))

    def _hygiene(self) -> None:
        training = self.training
        training.terms.finish()
        training.unstepped.finish(stepped=training.met > 0 or training.scaled is not None)
        values = dict(self.state.hygiene)
        for key in ("eval_modules", "train_modules"):
            values[key] = tuple(values.get(key, ()))
        trained = [root for root in self.state.models.roots if root.trained]
        fresh = [name for root in trained for name in root.fresh_norms()]
        values["fresh_norms"] = tuple(fresh[: f.NAMED])
        self.state.write(f.Hygiene(steps=self.state.step, compiled=self.state.compiled, **values))

    def _patch_construction(self, patches: Patches) -> None:
        init = nn.Module.__init__
        built = self.state.ledger.guard("sources", self.state.models.built)

        @functools.wraps(init)
        def watched(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            init(module, *args, **kwargs)
            if not torch.compiler.is_compiling():
                built(module)

        patches.replace(nn.Module, "__init__", watched)

    def _patch_dropout(self, patches: Patches) -> None:
        dropout = nn.functional.dropout
        seen = self.state.ledger.guard("dropout", self.forward.dropout)
        strongest = self.state.ledger.guard("dropout", self.forward.strong_dropout)
        known = 0.0

        def watched(
            input: Tensor,  # noqa: A002  # torch's own name
            p: float = 0.5,
            training: bool = True,
            inplace: bool = False,
        ) -> Tensor:
            nonlocal known
            if training and not torch.compiler.is_compiling():
                if not torch.is_grad_enabled():
                    seen()
                elif p > known:
                    known = p
                    strongest(p)
            return dropout(input, p, training, inplace)

        patches.wrap(nn.functional, "dropout", watched)

    def _patch_compile(self, patches: Patches) -> None:
        state = self.state
        compile_function, compile_method = torch.compile, nn.Module.compile

        def note() -> None:
            state.compiled = True
            self.forward.off()
            state.blinded(
                "activations", "torch.compile is used: module outputs stay inside its graphs"
            )

        @functools.wraps(compile_function)
        def watched_compile(*args: Any, **kwargs: Any) -> Any:
            note()
            return compile_function(*args, **kwargs)

        @functools.wraps(compile_method)
        def watched_method(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            note()
            compile_method(module, *args, **kwargs)

        patches.replace(torch, "compile", watched_compile)
        patches.replace(nn.Module, "compile", watched_method)

        enter = torch.autograd.graph.saved_tensors_hooks.__enter__

        @functools.wraps(enter)
        def watched_enter(hooks: Any) -> Any:
            if not torch.compiler.is_compiling():
                state.saved_hooks = True
            return enter(hooks)

        patches.replace(torch.autograd.graph.saved_tensors_hooks, "__enter__", watched_enter)


def hidden(step: Callable[[], None]) -> Callable[[], None]:
    """The same, unseen by modes that the script has left switched on."""

    def call() -> None:
        with unseen():
            step()

    return call
