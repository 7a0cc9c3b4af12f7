"""params-not-optimised: see the card."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from penlight.core.facts import Hygiene, Optimizer, Parameter
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM, LOSS, TRAVEL, WEIGHT_NORM
from penlight.pitfalls._curves import fails
from penlight.pitfalls._untrained import frozen_at_random, frozen_head, looks_untrained


class ParamsNotOptimised(Pitfall):
    """The loss reaches weights that no step moves.

    The coach trains ten players every day and leaves the goalkeeper on the bench: the team
    meets on Sunday with a keeper who has never touched a ball.

    ## What happens
    An optimiser moves exactly the tensors it was given. Layers that are missing from that list
    get gradients, but stay at their random start values. The rest of the network has to work
    around them.

    ## Symptoms
    - Part of the weights has not changed at all by the end; more layers do not help.
    - With a replaced model: nothing changes, the loss stays at its first value.
    - Saved checkpoints lack some layers.

    ## Causes
    - An optimiser of one's own, or a faulty kernel, that writes its result to a copy.
    - Layers kept in a plain Python list or dict: `model.parameters()` does not see them.
    - The optimiser was built before the model was replaced, extended or copied.
    - `optimizer.step()` is missing from the loop: then nothing moves at all.
    - Only `model.head.parameters()` passed, or an optimiser that holds frozen weights only.
    - A copied line: the decoder's optimiser was given the encoder's parameters.
    - Everything but biases, norms or adapters frozen, and the new head with it.

    ## When not to worry
    Weights frozen with `requires_grad=False`, weights trained earlier or loaded from a file,
    teachers, target networks, and modules whose output the loss does not use.

    ## References
    - torch documentation of `torch.nn.ModuleList`.
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, ICSE 2020.
    """

    family = "loop bug"
    needs = (Parameter, Optimizer, Hygiene, GRAD_NORM, TRAVEL, WEIGHT_NORM, LOSS)
    looks_like = {
        "gradient-cut": "A cut chain leaves weights in the optimiser without a gradient.",
        "lr-too-low": (
            "Too low a rate moves every weight a little; a weight that no optimiser holds does "
            "not move at all."
        ),
    }
    idle: float = limit(
        10,
        why="backward passes without a step: fewer are a look at gradients, or micro-batches that "
        "one step was to follow",
    )
    half: float = limit(
        0.5,
        why="with most of the weights left at random values the model cannot be what was meant; "
        "a smaller part costs quality, how much depends on where it sits",
    )
    kept: float = limit(
        0.5,
        why="of the loss with which a layer came is still there at the end: with a frozen head "
        "0.86 and 0.96, with a trained one 0.37 and 0.46 (two seeds of bias-only fine-tuning)",
    )
    nearly: float = limit(
        0.9,
        why="of the steps since a second model came: a step that finds no gradient at all moves "
        "nothing, and where two models take turns half of the steps find one",
    )
    fewest: float = limit(20, why="steps with that layer, each a loss: fewer say nothing yet")
    stored: float = limit(
        1e-4,
        why="of a weight's norm that a step would have to move: float32 keeps changes of 1e-7, "
        "bfloat16 loses those below 4e-3, and such weights are low-precision-lost-update's",
    )
    prescriptions = (
        Prescription(
            "Build the optimiser last, from everything: optimizer = Adam(model.parameters(), ...).",
            "It holds exactly the tensors that exist and are registered at that moment.",
            "the part is meant to stay fixed: then say so with requires_grad_(False)",
            edits=("optimise-all",),
        ),
        Prescription(
            "Keep layers in nn.ModuleList or nn.ModuleDict, single tensors in nn.Parameter.",
            "A Python list hides its layers from model.parameters(), .to() and state_dict().",
            edits=("module-list",),
        ),
        Prescription(
            "Make every layer in __init__, and only call it in forward().",
            "A layer that forward() makes begins with new random weights in each pass.",
            "forward() makes none",
            edits=("layers-in-init",),
        ),
    )
    _unstick = (
        Prescription(
            "Compare the weight before and after optimizer.step(). In an optimiser of your own, "
            "look for a result that is written to a copy: .contiguous(), .to(), indexing, a view "
            "of another tensor.",
            "An operation in place on a copy leaves the weight as it was, and says nothing.",
        ),
        Prescription(
            "Make the weight contiguous where it is set: p.data = x.t().contiguous().",
            "Some kernels write their result into a contiguous copy of a transposed tensor.",
        ),
    )
    _move = (
        Prescription(
            "Move every weight: for p in model.parameters(): p -= lr * p.grad, under no_grad().",
            "A weight that the loop does not name keeps its random start value.",
            "the part is meant to stay fixed: then say so with requires_grad_(False)",
        ),
    )
    _step = (
        Prescription(
            "Call optimizer.step() after loss.backward(), in every iteration.",
            "backward() only computes gradients; step() is what changes the weights.",
            "only the gradients are wanted, as for saliency maps",
            edits=("take-step",),
        ),
    )
    _thaw = (
        Prescription(
            "Set requires_grad_(True) on the layers that should learn (the new head) and give "
            "those to the optimiser.",
            "A frozen tensor never gets a gradient. To keep some rows only, mask their gradient.",
            edits=("unfreeze",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
inputs = torch.randn(2400, 8)
teacher = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 1))
with torch.no_grad():
    targets = teacher(inputs)
    targets = (targets - targets.mean()) / targets.std()
train_x, train_y, val_x, val_y = inputs[:2000], targets[:2000], inputs[2000:], targets[2000:]


class DeepNet(nn.Module):
    def __init__(self, depth=4, width=48):
        super().__init__()
        self.blocks = [nn.Linear(8 if i == 0 else width, width) for i in range(depth)]
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.out(self.norm(x))


model = DeepNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.MSELoss()

for epoch in range(10):
    model.train()
    for rows in torch.randperm(2000).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = loss_fn(model(val_x), val_y).item()
    print(f"epoch {epoch}: train {loss.item():.4f}, validation {val_loss:.4f}")

print("RESULT " + json.dumps({"metric": "mse", "value": val_loss}))
""",
        cure=(
            (
                "self.blocks = [nn.Linear(8 if i == 0 else width, width) for i in range(depth)]",
                "self.blocks = nn.ModuleList(nn.Linear(w, width) for w in [8, 48, 48, 48])",
            ),
        ),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        resting = self._at_rest(run)
        if resting is not None:
            yield resting
            return
        live = [p for p in run.parameters if p.requires_grad and p.reached]
        left = [p for p in live if not p.optimised]
        if not run.optimizers or not left:
            return
        held = [p for p in live if p.optimised]
        hygiene = run.hygiene
        if not held and hygiene.steps and hygiene.empty_steps >= min(hygiene.steps, self.fewest):
            yield self._stranger(run, left)
            return
        later = self._after_another(run, left, held)
        if later:
            yield self._stranger(run, later, f"{later[0].root} is trained")
            return
        twice = sum(o.parameters for o in run.optimizers) - sum(p.optimised for p in run.parameters)
        forgotten = _forgotten(left, held) if twice > 0 else []
        if forgotten:
            name = forgotten[0].root
            yield self._left_out(
                run,
                forgotten,
                live,
                f"get a gradient but are in no optimiser, while {twice} others are in two "
                f"optimisers, one of them meant for {name}",
                severity="critical",
            )
            return
        hidden = [p for p in left if not p.registered]
        if hidden:
            yield self._left_out(
                run,
                hidden,
                live,
                "are not registered in the model (a plain list, a layer that forward() makes, a "
                "tensor that is no nn.Parameter?) and in no optimiser",
                severity="critical",
            )
            return
        roots, own = {p.root for p in held}, run.optimizers[0].own
        fresh = [p for p in left if p.root in roots and looks_untrained(p)]
        if fresh:
            modules = {(p.root, p.module) for p in fresh}
            fresh = [p for p in left if (p.root, p.module) in modules]
            share = _size(fresh) / max(1, _size(live))
            yield self._left_out(
                run,
                fresh,
                live,
                "get a gradient but "
                + ("the script's own update passes them over" if own else "are in no optimiser")
                + ": they stay at their random start values",
                severity="critical" if share >= self.half else "warning",
                prescriptions=self._move if own else None,
            )

    def _at_rest(self, run: Run) -> Finding | None:
        """Weights that an optimiser holds, or that are frozen, and that nothing moves."""
        if run.hygiene.unstepped and run.hygiene.backwards >= self.idle:
            return self._unstepped(run)
        for optimizer in run.optimizers:
            if optimizer.parameters and optimizer.frozen == optimizer.parameters:
                return self._frozen(optimizer)
        head = frozen_head(run)
        if head:
            return self._frozen_output(head)
        random = [p for p in frozen_at_random(run) if self._poor(run, p.since)]
        if random:
            return self._frozen_layers(random, run)
        stuck = self._unmoved(run) if len(run.optimizers) == 1 else []
        return self._stuck(run, stuck) if stuck else None

    def _unmoved(self, run: Run) -> list[Parameter]:
        """Held weights with a gradient that no step has ever moved, beside others that move.

        Steps that are too small for the weight's type of number are another pitfall's, and a group
        of its own may have a rate of zero on purpose.
        """
        if run.optimizers[0].groups != 1 or not run.optimizers[0].lr > 0:
            return []
        held = [p for p in run.parameters if p.optimised and p.requires_grad and p.reached]
        still = [p for p in held if self._still(run, p)]
        return still if len(still) < len(held) and all(self._felt(run, p) for p in still) else []

    def _still(self, run: Run, p: Parameter) -> bool:
        travel, norm = run.series(TRAVEL, p.name), run.series(WEIGHT_NORM, p.name)
        if min(len(travel), len(norm)) < self.fewest or p.module_type.startswith("Embedding"):
            return False
        return not travel.values.any() and bool((norm.values == norm.values[0]).all())

    def _felt(self, run: Run, p: Parameter) -> bool:
        """Whether a step at the script's rate is far above what the weight can store."""
        gradient, norm = run.series(GRAD_NORM, p.name).finite, run.series(WEIGHT_NORM, p.name)
        if len(gradient) < self.fewest or not bool((gradient.values > 0).all()):
            return False
        optimizer = run.optimizers[0]
        size = math.sqrt(math.prod(p.shape)) if optimizer.adaptive else np.median(gradient.values)
        return optimizer.lr * float(size) > self.stored * float(norm.values[0])

    def _stuck(self, run: Run, still: Sequence[Parameter]) -> Finding:
        looks = len(run.series(TRAVEL, still[0].name))
        name = run.optimizers[0].type
        return self.finding(
            f"No step has moved {_some(still)}: {name} holds {'them' if still[1:] else 'it'}, a "
            "gradient comes at every step, and the weights are still those of the start.",
            Evidence(
                TRAVEL.name,
                f"0 in all {looks} steps that were looked at, while other weights of the same "
                "optimiser have moved",
                where=still[0].name,
                value=0.0,
            ),
            severity="critical" if any(len(p.shape) > 1 for p in still) else "warning",
            confidence=0.95,
            where=still[0].module or still[0].name,
            source=run.optimizers[0].source or still[0].source,
            first_step=0,
            prescriptions=self._unstick,
        )

    def _after_another(
        self, run: Run, left: Sequence[Parameter], held: Sequence[Parameter]
    ) -> list[Parameter]:
        """Weights of a model that came later, while all steps since then found no gradient."""
        roots = {p.root for p in held}
        strange = [p for p in left if p.root not in roots]
        if not strange:
            return []
        since = run.hygiene.steps - min(p.since for p in strange)
        empty = run.hygiene.empty_steps
        return strange if empty >= max(self.fewest, self.nearly * since) else []

    def _unstepped(self, run: Run) -> Finding:
        count, name = run.hygiene.backwards, run.hygiene.unstepped
        return self.finding(
            f"step() of the {name} optimiser is never called: gradients were computed {count} "
            "times, and no weight has moved.",
            Evidence(
                "hygiene",
                f"{count} backward passes, no optimiser step, and a weight that the optimiser "
                "holds is the same in all bits",
                value=count,
                limit=self.idle,
            ),
            confidence=0.99,
            exact=True,
            source=run.hygiene.unstepped_source,
            first_step=0,
            prescriptions=self._step,
        )

    def _poor(self, run: Run, since: int) -> bool:
        """Whether the run fails, or, of a tensor that came later, what was trained from then on."""
        if not since:
            return bool(fails(run))
        losses = [s.finite.between(since, math.inf) for s in run.every(LOSS)]
        values = max((s.values for s in losses), key=len, default=np.zeros(0))
        if len(values) < self.fewest:
            return False
        end = float(np.median(values[-len(values) // 5 :]))
        return end > self.kept * float(np.median(values[:5]))

    def _left_out(
        self,
        run: Run,
        left: Sequence[Parameter],
        live: Sequence[Parameter],
        what: str,
        severity: str,
        prescriptions: tuple[Prescription, ...] | None = None,
    ) -> Finding:
        share = _size(left) / max(1, _size(live))
        names = _some(left)
        return self.finding(
            f"{len(left)} weight tensors ({names}; {share:.0%} of the weights) {what}.",
            Evidence(
                "parameters",
                f"reached by the loss: {len(live)} tensors, held by an optimiser: "
                f"{sum(p.optimised for p in live)}",
                where=left[0].module,
                value=len(left),
                limit=0,
            ),
            severity="critical" if severity == "critical" else "warning",
            confidence=0.99 if severity == "critical" else 0.9,
            exact=severity == "critical",
            where=left[0].module or left[0].name,
            source=next((o.source for o in run.optimizers), ""),
            first_step=0,
            prescriptions=prescriptions,
        )

    def _stranger(
        self, run: Run, left: Sequence[Parameter], became: str = "the model has other layers"
    ) -> Finding:
        steps, empty = run.hygiene.steps, run.hygiene.empty_steps
        first = max(0, steps - empty)
        says = (
            f"The optimiser holds none of the weights that the loss depends on: since step {first} "
            f"{became}, not what the optimiser was given, and no step has moved anything."
            if first
            else "The optimiser holds none of the weights that the loss depends on: it was built "
            f"for another model, and all of its {steps} steps moved nothing."
        )
        return self.finding(
            says,
            Evidence(
                "hygiene",
                f"{empty} of {steps} optimiser steps found no gradient, while "
                f"the loss reaches {len(left)} other tensors ({_some(left)})",
                steps=(first, max(0, steps - 1)),
                value=empty,
                limit=0,
            ),
            confidence=0.99,
            exact=True,
            where=left[0].root,
            source=run.optimizers[0].source,
            first_step=first,
        )

    def _frozen(self, optimizer: Optimizer) -> Finding:
        return self.finding(
            f"All {optimizer.parameters} tensors of the {optimizer.type} optimiser have "
            "requires_grad=False: it can train nothing.",
            Evidence(
                "optimizer",
                f"{optimizer.frozen} of {optimizer.parameters} tensors are frozen",
                value=optimizer.frozen,
                limit=optimizer.parameters - 1,
            ),
            confidence=0.99,
            exact=True,
            source=optimizer.source,
            first_step=0,
            prescriptions=self._thaw,
        )

    def _frozen_output(self, head: list[Parameter]) -> Finding:
        name = head[0].module
        return self.finding(
            f"The output layer {name} is frozen (requires_grad=False) while the layers before it "
            "train: its weights stay as they are, although an optimiser holds them.",
            Evidence(
                "parameters",
                f"{len(head)} frozen tensors, all of them in {name}",
                where=name,
                value=len(head),
                limit=0,
            ),
            severity="warning",
            confidence=0.85,
            where=name,
            source=head[0].source,
            first_step=0,
            prescriptions=self._thaw,
        )

    def _frozen_layers(self, frozen: list[Parameter], run: Run) -> Finding:
        share = _size(frozen) / max(1, _size([p for p in run.parameters if p.used]))
        return self.finding(
            f"{len(frozen)} weight tensors ({_some(frozen)}; {share:.0%} of the weights) are "
            "frozen (requires_grad=False) at their random start values: nothing was ever learnt "
            "there that freezing could keep.",
            Evidence(
                "parameters",
                f"{len(frozen)} frozen tensors with mean and spread of a fresh initialisation",
                where=frozen[0].module,
                value=len(frozen),
                limit=0,
            ),
            severity="warning",
            confidence=0.85,
            where=frozen[0].module or frozen[0].name,
            source=frozen[0].source,
            first_step=0,
            prescriptions=self._thaw,
        )


def _forgotten(left: Sequence[Parameter], held: Sequence[Parameter]) -> list[Parameter]:
    """Fresh weights of a model of which no optimiser holds any, beside one that is held."""
    roots = {p.root for p in held}
    strange = [p for p in left if p.root not in roots and p.registered]
    fresh = {p.root for p in strange if looks_untrained(p)}
    return [p for p in strange if p.root in fresh] if roots else []


def _size(parameters: Sequence[Parameter]) -> int:
    return sum(math.prod(p.shape) for p in parameters)


def _some(parameters: Sequence[Parameter]) -> str:
    names = [p.name for p in parameters if p.name and p.name != "?"] or [
        f"{p.module_type} {'x'.join(map(str, p.shape))}" for p in parameters
    ]
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
