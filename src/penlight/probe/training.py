"""Watches the training's own rhythm: backward passes, optimiser steps, the order of calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim import optimizer as hooks

from penlight.core import facts as f
from penlight.core.vocabulary import (
    BACKWARDS,
    GRAD_NORM,
    LOSS,
    LR,
)
from penlight.probe import keras
from penlight.probe.activations import Activations
from penlight.probe.byhand import HandSteps
from penlight.probe.coast import Coast
from penlight.probe.forward import Forward, in_backward
from penlight.probe.graph import Walk, walk
from penlight.probe.guard import Patches
from penlight.probe.nonfinite import NonFinites
from penlight.probe.state import Alive, State, first_tensor, user_line
from penlight.probe.strangers import Strangers
from penlight.probe.terms import Terms
from penlight.probe.unstepped import Unstepped
from penlight.probe.updates import Updates
from penlight.probe.wake import Wake
from penlight.probe.watched import Watched
from penlight.signals import parameters as weights
from penlight.signals import tensors as measure

DESCRIBED = (0, 2, 16)  # steps before which the parameters are described
SEVERAL = 4  # optimisers that get a description each when they are met
PATIENCE = 64  # backward passes without a step that are looked at
LOSSES = 1024  # losses kept of one step

Hook = Callable[[Any, Any, Any], None]  # an optimiser, and the arguments of its step


class Training:
    """Backward wrapper and global optimiser hooks."""

    def __init__(
        self,
        state: State,
        forward: Forward,
        patches: Patches,
        nonfinites: NonFinites,
        on_step: Callable[[], None],
    ) -> None:
        self.state = state
        self.forward = forward
        self.nonfinites = nonfinites
        self.watched: dict[int, Watched] = {}
        self.on_walk: Callable[[Walk], None] | None = None
        self.on_meet: list[Callable[[Optimizer], None]] = []  # an optimiser makes its first step
        self.on_look: list[Callable[[], None]] = []  # a step that was looked at is over
        self.keras = False  # its optimisers are watched, too
        self.met = 0
        self.checked: set[int] = set()  # parameters taken as optimised in a check
        self.only: set[int] = set()  # ids of the optimisers to watch; empty: all
        self.reached = Alive()
        self.held = Alive()  # by an optimiser that has stepped, and may be gone
        self.walked = 0
        self.newest_walk = -1  # its step
        self.described = (-1, 0)  # step, and optimisers known, at the newest description
        self.ahead: Watched | None = None  # has stepped in the backward pass under way
        self.ops: tuple[f.Op, ...] = ()  # of the newest graph
        self.odd = False  # this step used old gradients, or none: look at the next one, too
        self.changed = False  # a new optimiser: what it trains may be new as well
        self.strangers = Strangers(state)
        self.activations = Activations(state)
        self.sources: WeakKeyDictionary[Optimizer, str] = WeakKeyDictionary()
        self.unstepped = Unstepped(state)
        self.terms = Terms(state)
        self.updates = Updates(state, self._name)
        self.scaled: tuple[Tensor, Tensor] | None = None
        self.window_start = 0.0
        self.coast = coast = Coast(state)
        self.wake = Wake(state, forward, coast, patches)
        guard = state.ledger.guard
        end = guard("optimiser hooks", coast.end)

        coasted = state.ledger.contained("optimiser hooks", coast.after)

        def land() -> None:
            if coast.on:
                end()

        before, after = (
            guard("optimiser hooks", self._before),
            guard("optimiser hooks", self.after),
        )

        begun: set[int] = set()  # a step within a step, as super().step(), is one, and the inner

        def pre(optimizer: Any, args: Any, kwargs: Any) -> None:
            begun.add(id(optimizer))
            if not coast.on and not torch.compiler.is_compiling():
                before(optimizer, args, kwargs)

        def post(optimizer: Any, args: Any, kwargs: Any) -> None:
            if torch.compiler.is_compiling() or id(optimizer) not in begun:
                return
            begun.discard(id(optimizer))
            if not (coast.on and coasted(self.watched.get(id(optimizer)), optimizer)):
                land()
                after(optimizer)
            if state.ledger.ours():
                on_step()

        def taken(hand: Any, args: Any, kwargs: Any) -> None:
            begun.add(id(hand))
            post(hand, args, kwargs)

        self.by_hand = HandSteps(self, pre, taken)
        self._patch(patches, pre, post, land)
        self._handles = [
            hooks.register_optimizer_step_pre_hook(pre),
            hooks.register_optimizer_step_post_hook(post),
        ]

    def remove(self) -> None:
        """Take the optimiser hooks off."""
        for handle in self._handles:
            handle.remove()
        self.by_hand.remove()

    # -- patches --------------------------------------------------------------------------

    def _patch(self, patches: Patches, pre: Hook, post: Hook, land: Callable[[], None]) -> None:
        guard, coast = self.state.ledger.guard, self.coast
        backward = torch.autograd.backward
        begin, end = guard("backward", self._begin), guard("optimiser hooks", self._end)
        watch_keras = guard("keras", keras.watch)
        coasted = self.state.ledger.contained("optimiser hooks", coast.backward)
        by_hand, wake = self.by_hand, self.wake

        def passes(tensors: Any) -> None:
            if wake.on:
                wake.end()
            if by_hand.hand is not None:
                by_hand.step(tensors)
            if not (coast.on and coasted(tensors)):
                land()
                self.state.ledger.claim()
                if "keras" in sys.modules and not self.keras:
                    self.keras = True
                    watch_keras(patches, pre, post)
                begin(tensors)

        def watched_backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return backward(tensors, *args, **kwargs)
            passes(tensors)
            result = backward(tensors, *args, **kwargs)
            if by_hand.hand is not None:
                by_hand.passed()
            if self.ahead is not None:
                end()
            return result

        patches.wrap(torch.autograd, "backward", watched_backward)
        by_hand.patch(patches, passes)
        self._patch_setting_up(patches)

    def _patch_setting_up(self, patches: Patches) -> None:
        guard = self.state.ledger.guard
        init = Optimizer.__init__
        built = guard("sources", self._built)

        def watched_init(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
            init(optimizer, *args, **kwargs)
            if not torch.compiler.is_compiling():
                built(optimizer)

        patches.wrap(Optimizer, "__init__", watched_init)

        scaler = torch.amp.GradScaler
        scale, unscale = scaler.scale, scaler.unscale_
        note = guard("grad scaler", self._scaled)

        def watched_scale(this: Any, outputs: Any) -> Any:
            result = scale(this, outputs)
            if not torch.compiler.is_compiling():
                note(outputs, result)
            return result

        def watched_unscale(this: Any, optimizer: Optimizer) -> Any:
            result = unscale(this, optimizer)
            self.scaled = None
            return result

        patches.wrap(scaler, "scale", watched_scale)
        patches.wrap(scaler, "unscale_", watched_unscale)

    def _built(self, optimizer: Optimizer) -> None:
        self.by_hand.none()
        self.sources[optimizer] = user_line(3)

    def _scaled(self, outputs: Any, result: Any) -> None:
        before, after = first_tensor(outputs), first_tensor(result)
        if before is not None and after is not None:
            self.scaled = (after, before)

    # -- backward -------------------------------------------------------------------------

    def _begin(self, tensors: Any) -> None:
        state = self.state
        loss = first_tensor(tensors)
        if loss is None or loss.is_meta or in_backward():  # nested: a checkpoint recomputes
            return
        for watched in self.watched.values():
            if watched.used or watched.stale:
                self._hygiene(watched)
        if self.scaled is not None and self.scaled[0] is loss:
            loss = self.scaled[1]
            self.scaled = (torch.empty(0), torch.empty(0))  # still scaled, the graph let go
        self.terms.begin()
        state.backwards += 1
        state.count("backwards")
        if not self.met:
            self.unstepped.look(self.sources.items(), self.reached)
        if loss.numel() == 1 and not loss.is_complex() and len(state.losses) < LOSSES:
            state.losses.append(self.nonfinites.loss(loss))
            if len(state.losses) == PATIENCE:  # a loop that steps in a way of its own
                state.armed = state.glimpse = False
                state.ledger.looking = state.light
        for root in self.forward.training:
            root.trained = True
        self.forward.training.clear()
        if state.keeping and self.forward.captures is not None:
            self.forward.captures.backward(loss)
        if state.armed and self.walked <= state.step * 4 + 8:
            self._walk(loss)

    def fresh(self) -> bool:
        """Whether there was a backward pass since the last step."""
        return bool(self.state.losses or self.coast.losses)

    def _hygiene(self, watched: Watched) -> None:
        """See whether the gradients that the last step used are still there."""
        p = watched.canary() if watched.canary is not None else None
        if p is None or p.is_meta or (p.device.type != "cpu" and not self.state.armed):
            return
        self.state.count("stale_checks")
        if "stale_first" in self.state.hygiene:
            self.state.count("stale_later")
        if p.grad is None or not bool(weights.local(p.grad).count_nonzero()):
            watched.used = watched.stale = False
        elif watched.used:
            watched.stale = True

    def _walk(self, loss: Tensor) -> None:
        state = self.state
        if state.compiled or state.saved_hooks:
            state.blinded("activations", "the model is compiled or checkpointed")
        found = walk(loss, lambda leaf: state.models.parameter(leaf) or self.strangers.meet(leaf))
        if found is None:
            return
        self.walked += 1
        self.newest_walk = state.step
        self.ops = tuple(node.op for node in found.nodes)
        if self.on_walk is not None and not state.saved_hooks:
            self.on_walk(found)
        if self.by_hand.hand is not None:
            self.by_hand.hand.reached(found.leaves())
        for leaf in found.leaves():
            self.reached.add(leaf)
        if self.met > 1:
            self.terms.walked(found)
        if state.step in (0, 1, 2, 16) and self.walked <= 12:
            state.write(found.fact(state.step, 0))
        if not state.saved_hooks and not self.nonfinites.found:
            self.activations.look(found)

    # -- optimiser ------------------------------------------------------------------------

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        state = self.state
        if self.only and id(optimizer) not in self.only:
            return
        new = id(optimizer) not in self.watched
        watched = self.meet(optimizer) if new else self.watched[id(optimizer)]
        if watched.stale:
            self.odd = True
            state.count("stale_gradients")
            state.hygiene.setdefault("stale_first", state.step)
        due = state.step in DESCRIBED or (new and self.met <= SEVERAL)
        if due and self.described < (state.step, min(self.met, SEVERAL)):
            self.described = (state.step, min(self.met, SEVERAL))
            self.describe()
        if state.keeping and self.forward.captures is not None:
            self.forward.captures.before_step(optimizer)
        # The optimiser comes first among the arguments of its step.
        given = (*args[1:2], kwargs.get("closure"))
        watched.closure = any(callable(x) for x in given)
        if not watched.closure:
            self._gradients(watched)
        if self.terms.open:
            self.terms.step(watched.index, watched.tensors())
        if state.light:
            self.updates.begin(watched)

    def meet(self, optimizer: Any) -> Watched:
        """An optimiser, or what stands for one, makes its first step."""
        index = self.met
        self.met += 1
        self.changed = index < SEVERAL
        name = getattr(optimizer, "kind", type(optimizer).__name__)
        watched = self.watched[id(optimizer)] = Watched(
            index, name, ref(optimizer, self._gone), steps=self.state.step
        )
        group = optimizer.param_groups[0]
        betas = group.get("betas", ())
        tensors = watched.tensors()
        self.terms.held.update(map(id, tensors))
        for tensor in tensors:
            self.held.add(tensor)
        self.state.write(
            f.Optimizer(
                index=index,
                type=name,
                lr=number(group.get("lr")),
                momentum=number(group.get("momentum")),
                weight_decay=max(number(g.get("weight_decay")) for g in optimizer.param_groups),
                betas=tuple(number(b) for b in betas) if isinstance(betas, (tuple, list)) else (),
                eps=number(group.get("eps")),
                maximize=bool(group.get("maximize", False)),
                decoupled=bool(group.get("decoupled_weight_decay", False)),
                groups=len(optimizer.param_groups),
                parameters=len(tensors),
                frozen=sum(not p.requires_grad for p in tensors),
                source=str(self.sources.get(optimizer) or getattr(optimizer, "source", "")),
            )
        )
        for meet in self.on_meet:
            meet(optimizer)
        return watched

    def _gone(self, dead: ReferenceType[Optimizer]) -> None:
        self.watched = {k: w for k, w in self.watched.items() if w.ref is not dead}

    def _gradients(self, watched: Watched) -> None:
        """Look at the gradients that are about to be used."""
        state = self.state
        first = next((p for g in watched.groups for p in g["params"] if p.grad is not None), None)
        if first is None and not watched.graded():
            if not watched.closure:  # which may well clear what it has made
                self.odd = True
                state.count("empty_steps")
                state.hygiene.setdefault("empty_optimizer", watched.index)
            return
        if first is not None and self.nonfinites.suspicious(first):
            held = [p for p in watched.tensors() if p.grad is not None]
            self.nonfinites.gradients(held, self.ops)
        if state.light:
            self.updates.gradients(watched)

    def _name(self, p: Tensor) -> str:
        return self.state.models.parameter(p) or self.strangers.name(p)

    def after(self, optimizer: Any) -> None:
        """An optimiser, or what stands for one, has made a step."""
        state = self.state
        watched = self.watched.get(id(optimizer))
        if watched is None:
            return
        if watched.closure:
            self._gradients(watched)
        canary = watched.canary() if watched.canary is not None else None
        if canary is None or canary.grad is None:
            held = [p for p in watched.tensors() if p.grad is not None and not p.grad.is_sparse]
            smallest = min(held[-4:], key=lambda p: p.numel(), default=None)
            watched.canary = ref(smallest) if smallest is not None else None
        watched.used, watched.stale = True, False
        self.updates.end(watched)
        self._losses(watched)
        watched.steps += 1
        if watched.steps > state.step:
            if in_backward():
                self.ahead = watched  # steps taken from within: the pass is not over
            else:
                self._advance(watched)

    def _end(self) -> None:
        """A backward pass is over in which an optimiser has stepped."""
        watched, self.ahead = self.ahead, None
        if watched is not None and not in_backward():
            self._advance(watched)

    def _losses(self, watched: Watched) -> None:
        state, step = self.state, self.state.step
        add = state.readout.add
        losses, state.losses = state.losses, []
        if losses:
            if all(isinstance(x, float) for x in losses):
                watched.loss = sum(losses) / len(losses)
            elif len(losses) == 1:
                watched.loss = losses[0]
            else:
                tensors = [x.reshape(()).float() for x in losses if isinstance(x, Tensor)]
                watched.loss = torch.stack(tensors).mean()
            if len(losses) != watched.backwards:
                watched.backwards = len(losses)
                add(BACKWARDS, watched.site, step, float(len(losses)))
        if watched.loss is not None:
            add(LOSS, watched.site, step, watched.loss)
        lr = watched.groups[0].get("lr")
        if isinstance(lr, Tensor) and lr.device.type != "cpu" and not state.light:
            return  # reading it would wait for the device
        if lr is not None and number(lr) != watched.lr:
            watched.lr = number(lr)
            add(LR, watched.site, step, watched.lr)

    def _advance(self, watched: Watched) -> None:
        """One iteration is over."""
        state = self.state
        now = perf_counter()
        if state.armed:
            self.forward.collect()
        self.forward.clear()
        state.readout.poll()
        state.step = watched.steps
        for look in self.on_look if state.light else ():
            look()
        if state.first_loss_step is None:
            state.first_loss_step = now
        spent = state.ledger.cost
        governor = state.governor
        if state.armed:
            governor.paid(spent - self.window_start)
        elif not state.ledger.looking:
            state.idle += spent - self.window_start
        self.window_start = spent
        state.armed = governor.full(state.step, spent) or self.changed
        if self.changed:
            governor.again(state.step)
            self.changed = False
        state.light = governor.light(state.step, spent) or state.armed
        state.glimpse = governor.glimpse(state.step, spent)
        state.ledger.looking = state.light or state.glimpse
        watchful = governor.watchful(state.idle)
        sentinel = governor.sentinel(state.step, watchful or self.odd)
        self.coast.on = not (sentinel or state.ledger.looking)
        self.odd = False
        if state.keeping or watchful:
            self.forward.on()
        else:
            self.forward.off()

    def describe(self) -> None:
        """Write the parameters as they stand: at the start, again later when more is known."""
        held = {id(p) for w in self.watched.values() for p in w.tensors()}
        optimised = held | set(self.held) | self.checked
        if self.by_hand.hand is not None:
            optimised -= self.by_hand.hand.still()
        self.state.models.describe(self.state, optimised, self.reached, self.newest_walk)
        self.strangers.describe(optimised)

    def preflight(self, model: torch.nn.Module, optimizer: Optimizer | None) -> None:
        """Look at the gradients of a check, after its one backward pass."""
        if optimizer is not None:
            self._gradients(self.meet(optimizer))
            held = {id(p) for p in self.watched[id(optimizer)].tensors()}
        else:
            held = {id(p) for p in model.parameters() if p.requires_grad}
            for p in model.parameters():
                if p.grad is not None:
                    self.state.readout.add(GRAD_NORM, self._name(p), 0, measure.norm(p.grad))
        self.checked = held
        if self.forward.captures is not None:
            self.forward.captures.main.snapshot()
        self.forward.collect()

    # -- the end --------------------------------------------------------------------------

    def finish(self) -> None:
        """Write what is known only at the end."""
        self.coast.end()
        self.activations.finish()
        self.describe()
        self.state.readout.poll(force=True)


def number(value: Any) -> float:
    """A setting of an optimiser as a number; 0 where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return 0.0
