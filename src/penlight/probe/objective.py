"""Watches the loss functions: what they are given, and how well the predictions do.

The functions of torch.nn.functional are wrapped (the modules of torch.nn call them by name). A
call that builds a graph belongs to training, one without to an evaluation pass; passes are
closed by the next training backward. The user's call and its result are handed through as is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from penlight.core import facts as f
from penlight.core.vocabulary import (
    ACCURACY,
    EXPLAINED,
    LOG_NORMALISER,
    OBJECTIVE_LOSS,
    OUTPUT_MEAN,
    OUTPUT_STD,
)
from penlight.probe import keras
from penlight.probe.captures import Captures
from penlight.probe.forward import Forward, in_backward
from penlight.probe.graph import Walk, maker, walk
from penlight.probe.guard import Patches
from penlight.probe.handwritten import LIBRARY, library_form, recognise
from penlight.probe.pairs import Pairs
from penlight.probe.passes import Part, Passes
from penlight.probe.schedule import SPARED
from penlight.probe.shares import Shares
from penlight.probe.state import State, measurable, user_line
from penlight.probe.targets import Targets
from penlight.signals.predictions import (
    BINARY,
    CLASSES,
    MANY,
    OTHERS,
    ROWS,
    VALUES,
    Tally,
    expansion,
    explained,
    paired_t,
    per_target,
    predictions,
    sample_losses,
)

WATCHED = CLASSES + BINARY + VALUES + OTHERS
# How the arguments of each are called here, in their order.
ARGUMENTS = {
    name: ("input", "target", *list(signature(getattr(functional, name)).parameters)[2:])
    for name in WATCHED
}
# Activations behind the last layer, which give its values a range.
BOUNDED = ("Sigmoid", "Tanh", "Softmax", "SafeSoftmax", "LogSoftmax", "Relu", "Softplus", "Exp")
NODES = ("NllLoss", "NllLoss2D", "MseLoss", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits")
PAIRED = 1024  # samples of an evaluation pass whose own losses are kept


@dataclass
class Site:
    """One loss call place."""

    fact: f.Objective
    targets: Targets = field(default_factory=Targets)
    window: Tally = field(default_factory=Tally)
    passing: Passes | None = None
    newest: int = 0  # step at which it was looked at last, in training
    # Best pass of each set of data: loss, per-sample losses, step.
    best: dict[bool | None, tuple[float, list[float], int]] = field(default_factory=dict)


class _Within(threading.local):
    """Whether a wrapped loss function is being called on this thread."""

    within = False


class Objectives:
    """All loss functions seen in one run."""

    def __init__(self, state: State, forward: Forward, patches: Patches) -> None:
        self.state = state
        self.forward = forward
        self.sites: dict[tuple[str, ...], Site] = {}
        self.functions = {name: getattr(functional, name) for name in WATCHED}
        self.shares = Shares(state)
        self.captures = Captures(state, LIBRARY | self.functions)
        self.pairs = Pairs(state, forward.rows.known)
        forward.captures, forward.pairs = self.captures, self.pairs
        self.open = False  # an evaluation pass is under way
        self.over = False  # what follows are experiments; others may still hold our wrappers
        self.named = False  # a library loss was called since the last backward pass
        self.calls: dict[str, int] = {}  # training losses by place since that backward pass, ...
        self.since = 0  # ... which was this one
        observe = state.ledger.guard("loss functions", self._observe)
        for name in WATCHED:
            patches.wrap(functional, name, self._wrap(name, observe))
            self.captures.taps[name] = getattr(functional, name)
        seen = state.ledger.guard("loss functions", self.captures.keras_objective)
        hold = state.ledger.contained("loss functions", self.captures.hold)
        self._afterwards = state.ledger.contained("loss functions", self._seen)
        # Within the backward part: what it cannot read must not end that.
        self._by_hand = state.ledger.contained("losses by hand", self._handwritten)
        self.captures.meet_keras = lambda: keras.watch_losses(patches, hold, seen)

    def _wrap(self, name: str, observe: Callable[..., Any]) -> Callable[..., Any]:
        original, state, here = self.functions[name], self.state, _Within()
        tap = self.captures.tap

        def watched(*args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return original(*args, **kwargs)
            if tap.given is not None:  # an experiment of ours
                both = dict(zip(ARGUMENTS[name], args, strict=False)) | kwargs
                tap.given.append((both["input"], both["target"]))
            # No property here: torch.compile would take its frame for one to compile.
            if not (state.armed or state.glimpse or self.open):
                result = original(*args, **kwargs)
                if not getattr(result, "requires_grad", False):
                    observe(name, args, kwargs, result)
                return result
            # A mode or a subclass of the user's has torch call this function once more.
            nested, here.within = here.within, True
            try:
                result = original(*args, **kwargs)
            finally:
                here.within = nested
            if not nested:
                observe(name, args, kwargs, result)
            return result

        return watched

    # -- one call -------------------------------------------------------------------------

    def _observe(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        given = dict(zip(ARGUMENTS[name], args, strict=False)) | kwargs
        x, y = given.get("input"), given.get("target")
        if not (isinstance(x, Tensor) and isinstance(y, Tensor) and isinstance(result, Tensor)):
            return
        if self.over or not (measurable(x) and measurable(y)) or in_backward():
            return
        x, y = (x, y) if x.dim() else (x[None], y.reshape(-1))
        if self.forward.within():  # what the model was fed is known when its pass has ended
            call = partial(self._afterwards, name, x, y, given, result, inside=user_line(3))
            self.forward.after.append(call)
        else:
            self._seen(name, x, y, given, result)

    def _seen(
        self, name: str, x: Tensor, y: Tensor, given: Any, result: Tensor, inside: str | None = None
    ) -> bool:
        """A loss function was called; `inside`: at this line of a model whose pass has ended."""
        training = result.requires_grad
        if training and self.open:
            self._close()
        self.named = self.named or training
        if training and self.state.keeping:
            self.captures.objective(name, x, y, given, result, inside=inside is not None)
            self.pairs.learnt(x, y, inside=inside is not None)
        if training and not self.state.armed:
            if self.state.glimpse and (y.is_floating_point() or y.device.type == "cpu"):
                site = self._site(name, x, y, given, "train", line=inside)
                site.newest = self.state.step
                if y.is_floating_point():
                    site.targets.later(y)
                else:  # classes that come later, where few steps are looked at
                    site.targets.add(site.fact, y)
            return True
        if not training and torch.is_grad_enabled():
            return True  # neither training nor evaluation: a metric, or a term without gradient
        site = self._site(name, x, y, given, "train" if training else "eval", line=inside)
        site.fact = replace(site.fact, calls=site.fact.calls + 1)
        if training:
            self._count(site.fact.site)
            if self.state.room():
                self.shares.look(site.fact, self.forward.given, x.detach(), y, given)
                self._training(site, name, x.detach(), y.detach(), result.detach(), given)
        else:
            self.pairs.judged(site.fact.site, x.detach(), y.detach(), inside=inside is not None)
            self._evaluation(site, name, x.detach(), y.detach(), result.detach(), given)
        return True

    def _count(self, place: str) -> None:
        """One more training loss at a place; a model in evaluation mode is being judged."""
        if self.since != self.state.backwards:
            self.since, self.calls = self.state.backwards, {}
        modules = [root.module for root in self.forward.training]
        if all(module is None or module.training for module in modules):
            self.calls[place] = self.calls.get(place, 0) + 1

    def backward(self, graph: Walk) -> None:
        """A backward pass begins on a graph that was walked: was its loss written by hand?"""
        named, self.named = self.named, False
        if self.calls and self.since == self.state.backwards - 1 and not graph.truncated:
            used = sum(node.op.name in NODES for node in graph.nodes)
            if used:
                self.state.count("losses_seen", max(self.calls.values()))
                self.state.count("losses_used", used)
        if named or not self.state.armed or not self.state.room():
            return
        self._by_hand(graph)

    def _handwritten(self, graph: Walk) -> bool:
        """Read a loss that was written by hand like the library's own, if it is of that kind."""
        facts = [site.fact for site in self.sites.values()]
        wrapped = any(fact.phase == "train" and not fact.by_hand for fact in facts)
        found = recognise(graph, own=not wrapped)
        # The target is read off the difference: a prediction that is not finite spoils it.
        if found is None or not bool(found.prediction.isfinite().all()):
            return False
        name, x, y = found.name, found.prediction.detach(), found.target.detach()
        output = self.forward.output
        library, given = library_form(graph, found, output) or ("", {})
        site = self._site(name, x, y, given, "train", by_hand=found.maker or "?")
        site.fact = replace(site.fact, calls=site.fact.calls + 1)
        own = sample_losses(name, x, y, {})
        if own:
            value = torch.tensor(sum(own) / len(own))
            if library and output is not None:
                self.captures.objective(library, output, y, given, graph.loss)
            self._training(site, name, x, y, value, {})
            self.shares.look(site.fact, self.forward.given, x, y, {})
        return True

    def _site(
        self,
        name: str,
        x: Tensor,
        y: Tensor,
        given: Any,
        phase: str,
        *,
        by_hand: str = "",
        line: str | None = None,
    ) -> Site:
        """The record of a loss at its place; `by_hand` is what made the input of such a loss.

        Args:
            line: of the script, where it no longer is the one that runs.
        """
        source = user_line(4) if line is None else line
        made = by_hand.strip("?") or maker(x.grad_fn)
        # One line may compute the losses of several heads: `mse(x.sigmoid(), a) + mse(z, b)`.
        key = (name, source, phase, made if made in BOUNDED else "")
        if key not in self.sites:
            others = [k for k in self.sites if k[:3] == key[:3]]
            if others and not self._ours(x):
                return self.sites[others[0]]  # of a model that nobody asked about
            label, beside = f"{name}@{source}" if source else name, len(others)
            # Keras has torch compute the loss of each row, and reduces them itself.
            reduction = self.captures.reduction or given.get("reduction", "mean")
            ignore = given.get("ignore_index", -100) if name in CLASSES else None
            fact = f.Objective(
                site=f"{label} ({beside + 1})" if beside else label,
                by_hand=bool(by_hand),
                input_op=made,
                function=name,
                phase=phase,
                source=source,
                input_shape=tuple(x.shape),
                target_shape=tuple(y.shape),
                input_dtype=str(x.dtype).removeprefix("torch."),
                target_dtype=str(y.dtype).removeprefix("torch."),
                reduction=str(reduction),
                weighted=given.get("weight") is not None or given.get("pos_weight") is not None,
                weights=_weights(given.get("weight"), name),
                label_smoothing=float(given.get("label_smoothing", 0.0)),
                ignore_index=ignore,
                target_learnt=y.requires_grad and phase == "train",
                expansion=expansion(name, x, y),
            )
            self.sites[key] = Site(fact)
            self.state.write(fact)
        site = self.sites[key]
        wider = expansion(name, x, y)
        if wider > site.fact.expansion:
            site.fact = replace(
                site.fact, expansion=wider, input_shape=tuple(x.shape), target_shape=tuple(y.shape)
            )
        return site

    def _ours(self, x: Tensor) -> bool:
        """Whether a watched parameter has a part in x."""
        graph = walk(x, self.state.models.parameter)
        known = self.state.models.parameters
        return graph is not None and any(id(leaf) in known for leaf in graph.leaves())

    def _training(
        self, site: Site, name: str, x: Tensor, y: Tensor, loss: Tensor, given: Any
    ) -> None:
        if x.device.type != "cpu" and site.fact.looked >= 8:
            return  # each look waits for the device: a handful at the start must do
        value = per_target(loss, name, x, y, given)
        add = self.state.readout.add
        step = site.newest = self.state.step
        if value is not None:
            add(OBJECTIVE_LOSS, site.fact.site, step, value)
        self._extremes(site, name, x, value)
        site.targets.add(site.fact, y)
        batch, tally = Tally(), site.window
        predictions(batch, name, x, y, given)
        tally.add(batch)
        if batch.counted:
            add(ACCURACY, site.fact.site, step, batch.right / batch.counted)
        share = explained(batch)
        if share is not None:
            add(EXPLAINED, site.fact.site, step, share)
        add(OUTPUT_MEAN, site.fact.site, step, float(x.double().mean()))
        if x.shape and x.shape[0] > 1:
            std = float(x.double().std(0).mean())
            add(OUTPUT_STD, site.fact.site, step, std)
        if tally.samples >= 1024 or site.fact.looked % 16 == 0:
            self._window(site)

    def _window(self, site: Site) -> None:
        tally = site.window
        if tally.samples:
            self.state.write(replace(counted(site, tally, tally.step), phase="train"))
        site.window = Tally(step=self.state.step)

    def _extremes(self, site: Site, name: str, x: Tensor, value: float | None) -> None:
        fact = site.fact
        rows = x[:ROWS].double()
        low, high = (float(v) for v in torch.aminmax(rows)) if rows.numel() else (0.0, 0.0)
        changes: dict[str, Any] = {
            "looked": fact.looked + 1,
            "input_min": low if fact.input_min is None else min(low, fact.input_min),
            "input_max": high if fact.input_max is None else max(high, fact.input_max),
        }
        if name in CLASSES and x.dim() > 1 and rows.numel():
            columns = rows.movedim(1, -1)
            sums = float((columns.sum(-1) - 1).abs().max())
            lse = columns.logsumexp(-1)
            largest = float(lse.abs().max())
            changes["row_sum_error"] = max(sums, fact.row_sum_error or 0.0)
            changes["logsumexp_error"] = max(largest, fact.logsumexp_error or 0.0)
            self.state.readout.add(LOG_NORMALISER, fact.site, self.state.step, float(lse.mean()))
            if fact.first_logit_var is None and columns.shape[-1] > 1:
                changes["first_logit_var"] = float(columns.var(-1).mean())
        if fact.first_loss is None and value is not None:
            changes["first_loss"] = value
        site.fact = replace(fact, **changes)

    # -- evaluation passes ----------------------------------------------------------------

    def _evaluation(
        self, site: Site, name: str, x: Tensor, y: Tensor, loss: Tensor, given: Any
    ) -> None:
        self.open = True
        if site.passing is None:
            last = self.forward.last_eval
            site.passing = Passes(step=self.state.step, loose=len(last[1]) if last else 0)
        passing = site.passing
        if not self.state.room(keep=SPARED) or (x.device.type != "cpu" and passing.samples > 65536):
            return
        value = per_target(loss, name, x, y, given)
        if value is None:
            return
        count = y.numel() if name not in CLASSES or not y.is_floating_point() else y.shape[0]
        tally = Tally(loss=value * count, targets=count)
        predictions(tally, name, x, y, given)
        room = PAIRED - passing.kept()
        own = sample_losses(name, x, y, given)[:room] if room > 0 else []
        passing.take(tally, own, self.forward.rows)

    def scoring(self) -> bool:
        """Whether an evaluation pass is under way whose accuracy is counted here."""
        return any(
            part.tally.counted
            for site in self.sites.values()
            if site.passing is not None
            for part in site.passing.parts
        )

    def _close(self) -> None:
        """End the evaluation passes that are open: training goes on, or the run has ended."""
        self.open = False
        for site in self.sites.values():
            passing, site.passing = site.passing, None
            sets = passing.sets() if passing is not None else ()
            for index, part in enumerate(sets):
                if passing is not None and part.tally.targets:
                    self._judged(site, passing, part, bool(index) if len(sets) > 1 else None)

    def _judged(self, site: Site, passing: Passes, part: Part, known: bool | None) -> None:
        """Write one set's pass, compared with the best pass over the same set."""
        loss, step = part.tally.loss / part.tally.targets, passing.step
        best = site.best.get(known)
        t = None
        if best is not None and len(best[1]) == len(part.own) > 7:
            t = paired_t(best[1], part.own)
        self.state.write(
            replace(
                counted(site, part.tally, step),
                phase="eval",
                loss=loss,
                paired_t=t,
                best_step=best[2] if best is not None else None,
                training_rows=part.share,
                modules_training=passing.loose,
            )
        )
        if best is None or loss < best[0]:
            site.best[known] = (loss, part.own, step)

    def newest(self) -> f.Objective | None:
        """The training loss that was looked at last."""
        sites = [s for s in self.sites.values() if s.fact.phase == "train"]
        found = max(sites, key=lambda s: (s.newest, s.fact.calls), default=None)
        return found.fact if found is not None else None

    def finish(self) -> None:
        """Write what is still open, and the final state of every site."""
        self._close()
        self.over = True
        self.shares.finish()
        for site in self.sites.values():
            if site.fact.phase == "train":
                self._window(site)
            self.state.write(replace(site.fact, multi_hot=site.targets.multi_hot))
            targets = site.targets.fact(site.fact)
            if targets is not None:
                self.state.write(targets)


def counted(site: Site, tally: Tally, step: int) -> f.Predictions:
    """A tally's counts as a fact."""
    return f.Predictions(
        objective=site.fact.site,
        step=step,
        samples=tally.samples,
        accuracy=tally.right / tally.counted if tally.counted else None,
        explained=explained(tally),
        labels=tuple(tally.labels),
        predicted=tuple(tally.predicted),
        correct=tuple(tally.correct),
        output_std=tally.output_std,
    )


def _weights(weight: Any, name: str) -> tuple[float, ...]:
    """The weights of the classes in a loss, as far as their labels are counted."""
    if name not in CLASSES or not isinstance(weight, Tensor) or weight.dim() != 1:
        return ()
    return tuple(weight.tolist()) if len(weight) <= MANY else ()
