"""A training whose weights the script moves itself, without an optimiser of torch's.

`with torch.no_grad(): w -= lr * w.grad` calls no step that could be watched. So the leaves that a
loss reaches are: where they have moved since the last backward pass, a step was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from penlight.core.facts import OWN
from penlight.probe import keras
from penlight.probe.forward import in_backward
from penlight.probe.graph import walk
from penlight.probe.guard import Patches
from penlight.probe.state import first_tensor, measurable
from penlight.probe.still import unreal
from penlight.probe.updates import by_device
from penlight.probe.watched import Sampled, Watched
from penlight.signals import parameters as weights

if TYPE_CHECKING:
    from penlight.probe.training import Hook, Training

TRIED = 4  # backward passes after which nobody looks for weights that are made anew
PATIENCE = 64  # and for any step at all: so many gradients without one are looked at, or saved
ROUNDING = 1e-7  # relative, of a float32
SAME = 1e-2  # relative difference up to which steps are those of one learning rate


@dataclass
class Leaf:
    """A tensor that a loss reaches, as it was at the newest backward pass."""

    ref: ReferenceType[Tensor]
    shape: tuple[int, ...]
    version: int
    moved: bool = False  # ever, between two backward passes
    pulled: bool = False  # it had a gradient, and a step was taken
    before: Tensor | None = None  # some of its entries
    grad: Tensor | None = None  # likewise


class ByHand:
    """Looks like a torch optimiser to the probe; its parameters are the weights that move.

    Attributes:
        waiting: a backward pass has been made, and no step since.
        handed: (weight, gradient) of a pass whose gradients were handed to the script.
        rate: learning rate of the first step, if that was plain gradient descent, or ascent.
        ascends: whether that went up the gradient.
        plain: whether all steps that were looked at were that at this rate.
        renewed: each step puts new tensors in the place of the old ones.
        source: where the script asks for the gradients.
    """

    kind = OWN

    def __init__(self) -> None:
        self.waiting = False
        self.handed: list[tuple[Tensor, Tensor]] = []
        self.rate: float | None = None
        self.ascends = False
        self.plain = True
        self.renewed = False
        self.source = ""
        self.param_groups = [Group(self)]
        self._leaves: dict[int, Leaf] = {}
        self._changes = 0  # of all leaves together, as torch counts them, at the newest step
        self._newest = 0  # the same when it was last looked for
        self._counted = False  # whether it counts those that the script's steps make
        self._canary: Leaf | None = None  # moves in a way that it does not count

    def weights(self) -> list[Tensor]:
        """Those that move, as far as they last for longer than a step."""
        return [] if self.renewed else [p for _, p in self._alive()]

    def still(self) -> set[int]:
        """Ids of weights that had a gradient and have never moved."""
        return {id(p) for leaf, p in self._alive() if leaf.pulled and not leaf.moved}

    def reached(self, leaves: Iterable[Tensor]) -> None:
        """A loss reaches these, as a walk of its graph meets them: those next to it first."""
        found = [p for p in leaves if p.is_floating_point() and measurable(p)][::-1]
        old, alive = list(self._leaves.values()), {id(p) for _, p in self._alive()}
        if self.waiting and found and not any(id(p) in alive for p in found):
            same = [leaf.shape for leaf in old] == [tuple(p.shape) for p in found]
            self.renewed = same and all(map(descends, old, found))
        self._leaves = {k: v for k, v in self._leaves.items() if k in alive}
        for p in found:
            self._leaves.setdefault(id(p), Leaf(ref(p), tuple(p.shape), p._version))
        self._changes = self._count()

    def remember(self, look: bool) -> None:
        """A backward pass is over.

        Args:
            look: whether the step to come is measured.
        """
        self.waiting = True
        grads = {id(p): grad for p, grad in self.handed}
        for leaf, p in self._alive():
            leaf.version = p._version
            if leaf is not self._canary or look:
                leaf.before = weights.sample(p) if look else None
            grad = grads.get(id(p), p.grad) if look and p.is_cpu else None
            leaf.grad = weights.sample(grad) if grad is not None and measurable(grad) else None

    def sampled(self) -> list[Sampled]:
        """What was kept of the weights at the newest backward pass."""
        kept = {
            id(p): leaf.before.reshape(-1) for leaf, p in self._alive() if leaf.before is not None
        }
        groups = [] if self.renewed else by_device([p for _, p in self._alive() if id(p) in kept])
        return [
            Sampled(tuple(ps), torch.cat(parts), [len(part) for part in parts])
            for ps in groups
            if (parts := [kept[id(p)] for p in ps])
        ]

    def moved(self) -> bool:
        """Whether a step was taken since the last one that was noticed."""
        if self.renewed:
            return True
        if self._canary is not None:
            return changed(self._canary)
        self._newest = self._count()
        if self._newest != self._changes:
            self._counted = True
            return True
        return not self._counted and any(changed(leaf) for leaf, _ in self._alive())

    def settle(self) -> None:
        """A step was noticed: the next one begins here."""
        self.waiting = False
        self._changes = self._newest
        if self._canary is not None and (p := self._canary.ref()) is not None:
            self._canary.before = weights.sample(p)

    def _count(self) -> int:
        alive = [leaf.ref() for leaf in self._leaves.values()]
        return sum(p._version for p in alive if p is not None)

    def measure(self) -> None:
        """A step was taken: which weights it has moved, and by what rate."""
        steps = []
        for leaf, p in self._alive():
            counted, moved = p._version != leaf.version, changed(leaf)
            leaf.moved |= counted or moved
            if moved and not counted:
                self._canary = self._canary or leaf
            if leaf.before is None or leaf.grad is None:
                continue
            leaf.pulled |= bool(leaf.grad.any())
            if moved and leaf.grad.shape == leaf.before.shape:
                steps.append((leaf.before, weights.sample(p), leaf.grad))
        if not steps:
            return
        ends = zip(*steps, strict=True)
        found = rate(*(torch.cat([x.double().reshape(-1) for x in xs]) for xs in ends))
        if self.rate is None and self.plain and found is not None:
            self.rate, self.ascends = abs(found), found < 0
            self.param_groups[0].update(lr=self.rate, maximize=self.ascends)
        self.plain &= bool(found and self.rate and abs(abs(found) / self.rate - 1) <= SAME)

    def trains(self, registered: Container[int]) -> bool:
        """Whether the steps are a training's: of the weights of a model, if the loss reaches any.

        Else they are those of an input that is searched for, as an adversarial one is.

        Args:
            registered: ids of the parameters of modules.
        """
        own = [leaf for key, leaf in self._leaves.items() if key in registered]
        return self.renewed or any(leaf.moved for leaf in own or self._leaves.values())

    def _alive(self) -> list[tuple[Leaf, Tensor]]:
        return [(leaf, p) for leaf in self._leaves.values() if (p := leaf.ref()) is not None]


class Group(dict[str, Any]):
    """The one group of such an optimiser: its weights are looked up when they are asked for."""

    def __init__(self, hand: ByHand) -> None:
        super().__init__(lr=None, maximize=False)
        self._hand = ref(hand)

    def __missing__(self, key: str) -> Any:
        hand = self._hand()
        if key != "params":
            raise KeyError(key)
        return hand.weights() if hand is not None else []


class HandSteps:
    """Hands the steps of such a training to `Training`, as those of an optimiser.

    Args:
        before, after: what an optimiser's hooks call around its step.
    """

    def __init__(self, training: Training, before: Hook, after: Hook) -> None:
        self.training = training
        self.hand: ByHand | None = ByHand()
        self.looked = False  # at the first pass, before it is known to be a training's
        guard = training.state.ledger.guard
        self._before, self._after = before, after
        self._notice = guard("steps by hand", self._noticed)
        self._glance = training.state.ledger.contained("steps by hand", self._glanced)
        self._keep = guard("steps by hand", self._kept)
        self._handle: Any = None

    def none(self) -> None:
        """An optimiser steps in this script, or will: its steps count."""
        self.hand = None
        self.remove()

    def remove(self) -> None:
        """Take the hook off."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def step(self, loss: Any = None) -> None:
        """Take note of a step, if one was taken since the last backward pass.

        Args:
            loss: of the backward pass that begins.
        """
        hand = self.hand
        if hand is None or not hand.waiting:
            return
        # Between looks this runs for every step, and does no more than notice it.
        if self._glance(hand) if self.training.coast.on else self._notice(hand, loss):
            self._after(hand, (), {})

    def passed(self) -> None:
        """A backward pass is over."""
        hand = self.hand
        if hand is None or hand.waiting:
            return
        if self.training.coast.on:
            hand.waiting, hand.handed = True, []
            return
        if self._known(hand) and not hand.renewed:
            self._before(hand, (), {})
        self._keep(hand)
        hand.handed = []

    def finish(self) -> None:
        """The script is over, perhaps with a step after its last backward pass."""
        hand = self.hand
        if hand is not None and hand.waiting and self._known(hand) and self._noticed(hand, None):
            self.training.coast.end()
            self.training.after(hand)

    def _known(self, hand: ByHand) -> bool:
        return id(hand) in self.training.watched

    def _glanced(self, hand: ByHand) -> bool:
        if in_backward() or not self.training.state.ledger.ours() or not hand.moved():
            return False
        hand.settle()
        return True

    def _noticed(self, hand: ByHand, loss: Any) -> bool:
        if in_backward():
            return False
        if self.training.state.backwards > PATIENCE and not self._known(hand):
            self.none()
            return False
        training, models = self.training, self.training.state.models
        start = first_tensor(loss)
        early = start is not None and not self._known(hand) and training.state.backwards <= TRIED
        if not (moved := hand.moved()) and early and start is not None:
            found = walk(start, models.parameter)
            hand.reached(found.leaves() if found is not None else ())
            moved = hand.renewed
        if not moved:
            return False
        hand.measure()
        captures = training.forward.captures
        if not self._known(hand):
            if training.met or not hand.trains(models.parameters):
                self.none()
                return False
            hand.source = training.nonfinites.line
            training.meet(hand).begin(hand.sampled())
            self._handle = hooks.register_module_forward_pre_hook(self._entered)
        elif training.state.step == 1 and hand.plain and hand.rate and captures is not None:
            captures.main.descent(hand.param_groups[0])
        hand.settle()
        return True

    def _kept(self, hand: ByHand) -> None:
        training = self.training
        look = training.state.light
        if any(keras.is_layer(root.module) for root in training.state.models.roots):
            self.none()  # such a model has an optimiser of its own
            return
        if not self.looked and not self._known(hand):
            look = self.looked = True
            training.updates.gradients(Watched(0, OWN, ref(hand)))
            training.describe()
            if training.forward.captures is not None:
                training.forward.captures.main.snapshot()
        hand.remember(look)

    def _entered(self, module: nn.Module, args: Any) -> None:
        """A model is called: a step that was taken before comes first."""
        stack = self.training.forward.stack
        if len(stack) != 1 or torch.compiler.is_compiling():
            return
        self.step()
        if not stack and self.training.forward.active:  # a new step begins with this call
            stack.append(module)

    def patch(self, patches: Patches, begin: Callable[[Any], None]) -> None:
        """Watch `torch.autograd.grad`, too, as long as it is what a script learns by.

        Args:
            begin: called with the losses before their backward pass.
        """
        grad = torch.autograd.grad

        def watched(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self.hand is not None and isinstance(inputs, Iterator):  # model.parameters()
                inputs = tuple(inputs)
            held = (inputs,) if isinstance(inputs, Tensor) else inputs
            if not self._trained(held, kwargs):
                return grad(outputs, inputs, *args, **kwargs)
            begin(outputs)
            result = grad(outputs, inputs, *args, **kwargs)
            pairs = zip(held, result, strict=True)
            if self.hand is not None:
                self.hand.handed = [(p, g) for p, g in pairs if isinstance(g, Tensor)]
                self.passed()
            return result

        patches.wrap(torch.autograd, "grad", watched)

    def _trained(self, held: Any, kwargs: dict[str, Any]) -> bool:
        """Whether a script asks for gradients to learn by: of leaves, and of nothing further."""
        if self.hand is None or torch.compiler.is_compiling() or unreal() or in_backward():
            return False
        if kwargs.get("create_graph") or self.training.state.ledger.inside:
            return False
        return isinstance(held, (list, tuple)) and all(
            isinstance(p, Tensor) and p.is_leaf and p.requires_grad for p in held
        )


def changed(leaf: Leaf) -> bool:
    """Whether the entries that were kept are others now."""
    p = leaf.ref()
    if p is None or leaf.before is None or not p.is_cpu:
        return False
    return not torch.equal(weights.sample(p), leaf.before)


def descends(leaf: Leaf, now: Tensor) -> bool:
    """Whether a tensor is an older one, moved against its gradient."""
    if leaf.before is None or leaf.grad is None:
        return False
    step = weights.sample(now) - leaf.before
    return float((step * leaf.grad).sum()) < 0 or not bool(step.any() or leaf.grad.any())


def rate(before: Tensor, after: Tensor, grad: Tensor) -> float | None:
    """The learning rate, to three digits, of a plain gradient step; negative if it went up."""
    step, size = after - before, float(grad.square().sum())
    found = -float((step * grad).sum()) / size if size > 0 else 0.0
    rest, rounding = float((step + found * grad).norm()), ROUNDING * float(before.norm())
    plain = found != 0 and rest <= SAME * float(step.norm()) + rounding
    return float(f"{found:.3g}") if plain else None
