"""Steps so large that the optimiser jumps over every valley."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Exam, Module, NonFinite
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import DEPENDENCE, LOSS, LR, UPDATE_RATIO, ZERO_SHARE
from penlight.pitfalls._curves import FINE, RUINED, SIGMAS, VALUES, Progress, progress
from penlight.pitfalls._halves import halves
from penlight.pitfalls._rates import CLEAR, Rates, rates, update_size

DECAY = 1e-3  # stronger weight decay may be what takes the weights away


class LrTooHigh(Pitfall):
    """The learning rate is too high.

    Somebody walks down into a valley in seven-league boots: every step leads over the river and
    lands higher up on the other side, and the harder the slope pushes, the farther the leap.

    ## What happens
    A gradient is only true nearby. A step that is long compared with the curvature of the loss
    overshoots: the loss rises, the next gradient is larger, and the next step longer still. The
    weights run off, or one violent step pushes the units of a ReLU layer into their flat side,
    where
    no gradient brings them back.

    ## Symptoms
    - The loss jumps up in the first steps, oscillates without falling, or becomes NaN.
    - Or it drops once to the value of a constant prediction and stays there, perfectly flat.
    - Dead ReLUs, saturated sigmoids and huge weights appear. They are results, not reasons.

    ## Causes
    - A rate made for SGD (0.1) given to Adam, whose usual rate is 0.001.
    - A rate copied from a much larger batch, or from a model with normalisation.
    - No warmup in a model that needs it.
    - Inputs or targets that are not scaled: then scale these first, the rate will fit again.

    ## When not to worry
    A loss that is noisy but falls, or a hump in the first steps that is soon overcome, is fine:
    large
    rates often find better minima. This is only said of runs that fail.

    ## References
    - LeCun, Bottou, Orr and Mueller 1998, Efficient BackProp.
    - Smith 2017, Cyclical learning rates for training neural networks (the range test).
    - Cohen et al. 2021, Gradient descent on neural networks typically occurs at the edge of
      stability.
    """

    family = "optimisation"
    needs = (LOSS, LR, UPDATE_RATIO, ZERO_SHARE, DEPENDENCE, Exam, NonFinite, Module)
    caused_by = (
        "grad-accum-misnormalised",
        "input-scale",
        "target-scale",
        "exploding-gradient",
        "residual-stream-blowup",
        "missing-zero-grad",
        "wrong-reduction",
        "wrong-sign",
        "not-shuffled",
    )
    looks_like = {
        "wrong-sign": "With the wrong sign the loss rises at every rate, from the first step on.",
        "loss-spike": "A spike is one event: before it the loss fell evenly at the same rate.",
        "dying-relu": (
            "ReLUs that died by themselves did so without long steps; after long ones they are a "
            "result."
        ),
        "exploding-gradient": (
            "An exploding gradient is there at the first step: the light grows from layer to "
            "layer, whatever the rate."
        ),
        "grad-accum-misnormalised": (
            "Losses that are added up over several backward passes multiply the rate by their "
            "number."
        ),
        "ill-conditioned-op": (
            "An unsafe formula breaks on confident predictions, with a loss that was fine before."
        ),
        "input-scale": (
            "Inputs on a foreign scale are seen in the data, and standardised they train well in "
            "a replay."
        ),
        "missing-zero-grad": (
            "Without `zero_grad` each backward pass adds to gradients that a step has already "
            "used, and a lower rate only delays the trouble."
        ),
        "nonfinite-loss": (
            "A NaN from a single operation (a logarithm of 0, a division by 0) comes out of the "
            "blue; nothing grows before it."
        ),
        "target-scale": (
            "Targets on a foreign scale make the first loss huge or tiny before any step is taken."
        ),
        "wrong-reduction": (
            "A summed loss multiplies the rate by the batch size; the mean of it would be an "
            "ordinary loss."
        ),
    }
    learnt: float = limit(
        0.6,
        why="a run that learnt this share of what there is to learn does not fail, whatever its "
        "rate: "
        "the healthy zoo trains at rates up to 0.1 and ends above it (benchmarks/healthy)",
    )
    fine: float = limit(
        0.9,
        why="share of what there is to learn from which on no rate is blamed, even where a few "
        "steps at a tenth of it got further than the whole run",
    )
    bold: float = limit(
        0.1,
        why="median change of the weight matrices in each of the first steps, as a share of "
        "their norm; "
        "Adam and SGD runs of the healthy zoo stay between 0.002 and 0.05",
    )
    blown: float = limit(
        -1.0,
        why="fall of the loss in a few dozen replayed steps, as a share of it: below it the loss "
        "doubled, with cleared gradients and the loss as it is, so that the rate alone is left",
    )
    flung: float = limit(
        1.0,
        why="longest step of a typical weight matrix, as a share of its norm: beyond 1 the step "
        "and not the training decides what the weights are; tests/pitfalls/test_lr_too_high.py",
    )
    off: float = limit(
        0.99, why="share of zeros behind a ReLU layer that is off for every input, save roundings"
    )
    had: float = limit(
        0.3, why="share of what there is to learn that a run must have had before it lost it"
    )
    heard: float = limit(
        0.005,
        why="share of the outputs' size that differs between inputs, before: 0.009 in a random "
        "convolutional net whose last bias is as large as its outputs (GH7-triplet-loss-38)",
    )
    fading: float = limit(
        1e-4, why="the same at the look before the last: a lucky batch alone does not do that"
    )
    rounding: float = limit(
        1e-6, why="the same at the last look: float32 rounds sums of some hundred terms to that"
    )
    along: float = limit(0.1, why="of the run, at which the last look may lie at the earliest")
    deaf: float = limit(
        0.02, why="of the loss, by which inputs dealt to other targets may change it: its noise"
    )
    spread: float = limit(
        10.0, why="of the targets: from there on target-scale says that a fresh network is far off"
    )
    _scaled = (
        Prescription(
            "Or standardise the targets: learn on (y - mean) / std, and give predictions back as "
            "model(x) * std + mean.",
            because="the gradient of a squared error grows with the targets, and the steps with it",
            edits=("standardise-targets",),
        ),
    )
    prescriptions = (
        Prescription(
            "Divide the learning rate by ten: `lr=lr / 10`, and again if the loss still jumps.",
            because="the same batches were learnt at a smaller rate, or every step moves the "
            "weights too far",
            unless="the inputs are not scaled: scale them first",
            edits=("learning-rate",),
        ),
        Prescription(
            "Let the rate rise over the first 5% of the steps: "
            "`torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=steps // 20)`.",
            because="the first steps are the most dangerous ones",
            edits=("warmup",),
        ),
        Prescription(
            "Clip: `torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)` before the step.",
            because="it bounds the longest step",
            unless="more than half of all steps would be clipped: then the rate is the problem",
            edits=("clip-gradients",),
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
angle = torch.rand(3000) * 6.28
arm = torch.randint(3, (3000,))
radius = 0.3 + angle / 6.28
x = torch.stack([radius * torch.cos(angle + 2.09 * arm), radius * torch.sin(angle + 2.09 * arm)], 1)
x = x / x.std() + 0.03 * torch.randn(3000, 2)
train = DataLoader(TensorDataset(x[:2400], arm[:2400]), batch_size=60, shuffle=True)
test_x, test_y = x[2400:], arm[2400:]

layers = []
for wide, tall in ((2, 64), (64, 64), (64, 64)):
    layers += [nn.Linear(wide, tall), nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(64, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=0.3)
criterion = nn.CrossEntropyLoss()

for epoch in range(15):
    model.train()
    for batch, labels in train:
        optimizer.zero_grad()
        loss = criterion(model(batch), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        output = model(test_x)
        accuracy = (output.argmax(1) == test_y).float().mean().item()
        loss = criterion(output, test_y).item()
        print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("lr=0.3", "lr=0.003"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        """Fires on a failing run whose steps are huge or that a smaller rate would save."""
        curve, compared = progress(run), rates(run)
        if curve is None:
            return
        numb = [] if curve.learnt is not None else list(self._numb(run))
        if not (numb or self._fails(curve) or self._hampered(run, curve, compared)):
            return
        size = update_size(run, 0, FIRST)
        evidence = [*self._evidence(run, curve, compared, size), *self._forgotten(run, curve)]
        evidence += self._flung(run, curve) if not evidence else ()
        if not evidence:
            return
        evidence += numb
        optimizer = run.optimizers[0] if run.optimizers else None
        named = optimizer.named if optimizer else "the optimiser"
        became = "became non-finite" if curve.broken is not None else f"ended at {curve.end:.3g}"
        yield self.finding(
            f"The learning rate is too high: with {named} the loss began at {curve.first:.3g} "
            f"and {became}.",
            *evidence,
            Evidence(
                "loss",
                f"the loss began at {curve.first:.4g} and {became}",
                value=curve.end,
                limit=curve.chance,
            ),
            confidence=0.95 if len(evidence) > 1 else 0.85,
            where=named,
            source=optimizer.source if optimizer else "",
            first_step=curve.broken if curve.broken is not None else 0,
            prescriptions=(*self.prescriptions, *(self._scaled if self._wide(run) else ())),
        )

    def _wide(self, run: Run) -> bool:
        """Whether the targets are so large that an ordinary rate makes too long steps."""
        objective, targets = run.objective, run.targets()
        values = objective is not None and objective.function in VALUES
        return values and targets is not None and max(targets.std, default=0.0) > self.spread

    def _fails(self, curve: Progress) -> bool:
        if curve.diverged:
            return True
        return curve.learnt is not None and curve.learnt < self.learnt

    def _numb(self, run: Run) -> Iterator[Evidence]:
        """The last layer gives one answer to everything, and did not do so at first."""
        order = sorted(run.modules, key=lambda m: -m.order)
        heard = next((s for m in order if (s := run.series(DEPENDENCE, m.name).finite)), None)
        if heard is None or len(heard) < FIRST or heard.steps[-1] < self.along * run.steps:
            return
        if any(o.weight_decay > DECAY for o in run.optimizers):
            return  # which takes the weights, and with them what the outputs knew
        early = float(heard.head(0.2, at_least=3).max())
        before, late = heard.values[-2:].tolist()
        if before < self.fading and late < self.rounding and early > self.heard:
            yield Evidence(
                "dependence",
                f"at first {early:.2g} of the outputs of {heard.site} differed between inputs, in "
                f"the end {late:.1g}: one answer to everything",
                where=heard.site,
                steps=(int(heard.steps[0]), int(heard.steps[-1])),
                value=late,
                limit=self.rounding,
            )

    def _hampered(self, run: Run, curve: Progress, compared: Rates | None) -> bool:
        """Whether a run that learnt a part would have learnt more at a tenth of the rate.

        A few steps of it got further than the whole run; or the script's own rate goes up where
        a tenth goes down, from the first state and from the last one alike.
        """
        if compared is None or curve.learnt is None or curve.learnt >= self.fine:
            return False
        whole = run.objective is not None and run.objective.reduction == "mean"
        if whole and compared.overtakes(compared.tenth, curve):
            return True
        late = rates(run, "rates_end")
        return late is not None and all(r.uphill and r.tenth > CLEAR for r in (compared, late))

    def _forgotten(self, run: Run, curve: Progress) -> Iterator[Evidence]:
        """A network that had learnt a good part and gives one answer to everything in the end."""
        dealt, chance = run.exam("shuffled"), curve.chance
        if dealt is None or chance is None or any(o.weight_decay > DECAY for o in run.optimizers):
            return
        true, other = float(dealt.values["true"]), float(dealt.values["shuffled"])
        deaf = abs(other - true) <= self.deaf * abs(true)
        if deaf and curve.best < (1 - self.had) * chance and curve.end > (1 - self.deaf) * chance:
            yield Evidence(
                "shuffled",
                f"the loss had come down to {curve.best:.3g}; in the end it stands at "
                f"{curve.end:.3g}, where guessing stands, and no input makes a difference any more",
                value=curve.end,
                limit=chance,
            )

    def _flung(self, run: Run, curve: Progress) -> Iterator[Evidence]:
        """A layer of ReLUs that was alive until steps longer than the weights switched it off.

        Its replays may show nothing: at any rate the bias of the last layer finds the mean answer.
        """
        if curve.learnt is None or curve.learnt >= RUINED:
            return
        for zeros in run.every(ZERO_SHARE):
            dead = zeros.values > self.off
            if dead[0] or float(zeros.tail(0.2, at_least=3).min()) <= self.off:
                continue
            died = int(zeros.steps[dead][0])
            size = update_size(run, 0, died, longest=True)
            if size is not None and size > self.flung:
                yield Evidence(
                    "update_ratio",
                    f"until step {died}, from which on every unit of {zeros.site} was off, the "
                    f"longest step of a typical weight matrix was {size:,.1f} times its norm",
                    where=zeros.site,
                    steps=(0, died),
                    value=size,
                    limit=self.flung,
                )
                return

    def _evidence(
        self, run: Run, curve: Progress, compared: Rates | None, size: float | None
    ) -> Iterator[Evidence]:
        ruined = curve.learnt is not None and curve.learnt < RUINED
        wide = halves(run, "wide")  # one unit that died is no matter of the rate
        uphill = compared is not None and compared.uphill and (wide is None or wide.known < FINE)
        blown = compared is not None and compared.own < self.blown and curve.diverged
        if compared is not None and (compared.too_high or (ruined and uphill) or blown):
            own = "blew up" if compared.own < -1e3 else f"changed the loss by {-compared.own:+.0%}"
            yield Evidence(
                "rates",
                f"replayed from the start, {compared.steps} steps at a tenth of the rate changed "
                f"the loss by "
                f"{-compared.tenth:+.0%}, at the script's own rate {own}",
                steps=(0, compared.steps),
                value=compared.own if compared.own > -1e3 else None,
                limit=compared.tenth,
            )
        # Weights that were drawn tiny take long steps, too, and come to rest at their lowest loss.
        rests = curve.end <= curve.best + SIGMAS * curve.error and not curve.diverged
        learns = rests and curve.learnt is not None and curve.learnt >= RUINED
        harmful = not learns if compared is None else compared.own < compared.tenth
        if size is not None and size > self.bold and harmful:
            yield Evidence(
                "update_ratio",
                f"in the first {FIRST} steps one step changed a typical weight matrix by "
                f"{size:.0%} of its norm",
                steps=(0, FIRST),
                value=size,
                limit=self.bold,
            )


FIRST = 8  # steps whose size is looked at: later the gradients of a dead network are zero
