"""no-information-from-input: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Exam, Graph, Inputs, Module, Targets
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import ACCURACY, DEPENDENCE, EXPLAINED, LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import progress, stuck
from penlight.pitfalls._graph import attends
from penlight.pitfalls._rates import arms

RECURRENT = ("RNN", "LSTM", "GRU")
BOUND = 2.3  # standard errors: an upper 95% bound from ten differences


class NoInformationFromInput(Pitfall):
    """The model learns nothing from its input: it is constant, or never looked at.

    A shop assistant who recommends the best-seller to everyone without listening: not stupid,
    just told the same thing by every customer, or wearing ear plugs.

    ## What happens
    If the input is the same for all samples, or does not reach the output, the best the model
    can do is one answer for everybody: the class frequencies, or the mean of the targets. The
    loss settles exactly there, and no optimiser, rate or depth can change that.

    ## Symptoms
    - The loss stops at the entropy of the labels, or at the variance of the targets.
    - All predictions are the same.
    - The same training with the inputs replaced by zeros gives the same loss.

    ## Causes
    - Preprocessing that wipes out the data: integer division of bytes by 255, a wrong slice,
      scaling by a huge constant, tokens that are all unknown.
    - `forward` uses the wrong tensor, or an attention mask hides everything.
    - The last step of an RNN is read after so much padding that it has forgotten the words.
    - The first step of an RNN is read, which has seen nothing of the rest.
    - A condition beside the rows, such as the class that a generative model is to draw, was
      reordered, shuffled or sampled anew apart from them: it no longer belongs to its row.

    ## When not to worry
    Models without an input (a fixed latent that is optimised) are not meant: they have one sample.
    A network that has died or collapsed on its way looks the same at its output, but its first
    layers still tell samples apart: that is another pitfall. A condition may have nothing to
    say by its nature, as the number of a random augmentation.

    ## References
    - A. Karpathy, A Recipe for Training Neural Networks (2019): input-independent baseline.
    """

    family = "data"
    needs = (
        Inputs,
        Targets,
        Exam,
        Graph,
        Module,
        DEPENDENCE,
        LOSS,
        OBJECTIVE_LOSS,
        ACCURACY,
        EXPLAINED,
    )
    caused_by = ("symmetric-init",)  # with all weights at zero nothing comes through
    looks_like = {
        "positional-information-missing": (
            "Where only the order is not seen, other tokens still change the output."
        ),
        "class-imbalance-collapse": (
            "With rare classes the scores do tell samples apart, and the loss is below the "
            "entropy of the labels."
        ),
        "dying-relu": "Dead ReLUs stand behind layers that still tell the samples apart.",
        "forward-collapse": (
            "In a forward collapse the first layers tell the samples apart and the last ones do "
            "not."
        ),
        "loss-broadcast": (
            "A broadcast loss compares N x N pairs: the shapes (N, 1) and (N) meet in it."
        ),
        "misaligned-labels": (
            "With mixed-up labels the predictions differ from sample to sample and are wrong."
        ),
    }
    rows: float = limit(
        32, why="samples: when 32 in a row are identical in all features, chance is no explanation"
    )
    moved: float = limit(
        1e-6,
        why="of the outputs' scale: float32 rounds to 1e-7, and sums of it had moved outputs by "
        "6e-7 where an LSTM had 115 steps of padding to forget in",
    )
    alive: float = limit(
        1e-3, why="share of a layer's output power that differs between samples: thousands of "
        "times what float32 would leave of nothing"
    )  # fmt: skip
    pairs: float = limit(
        10, why="batches as they are and dealt: the spread of fewer differences is hardly known"
    )
    many: float = limit(
        300, why="rows: by then ten classes that go with their rows show in their means"
    )
    wide: float = limit(
        8,
        why="numbers asked for in each row, as in an image that is drawn: a table may well have a "
        "column of no use to its one answer",
    )
    each: float = limit(
        5, why="rows for each class: a number that hardly comes again is a name, not a class"
    )
    luck: float = limit(2.0, why="t of the change of loss: above it the condition is of some use")
    gain: float = limit(
        0.005,
        why="of the loss, upper bound of what a foreign condition costs: 0.3% where labels were "
        "left behind by an optimal transport sampler, 57% once they went along (GH11-172)",
    )
    told: float = limit(
        4.0,
        why="standard deviations of chance by which rows of different classes differ in inputs and "
        "targets: a condition that goes with its rows is in order, used or not (55 and more; with "
        "labels left behind up to 1.1, GH11-172)",
    )
    begun: float = limit(
        0.1, why="share of the loss gained by reading the rows: less, and nothing was learnt yet"
    )
    open: float = limit(
        0.02, why="share of the loss of foreign rows: below it nothing is left for a condition"
    )
    mixed: float = limit(0.3, why="share of rows that got another condition in a deal")
    prescriptions = (
        Prescription(
            "Print the tensor that enters the model: print(x.min(), x.max(), x.std(dim=0)).",
            "Right in front of the model is where the data must still be alive.",
        ),
        Prescription(
            "Divide bytes as floats: images.float() / 255, not images // 255.",
            "Whole-number division leaves zeros.",
        ),
        Prescription(
            "Check that forward() passes its own argument on, layer by layer.",
            "One wrong variable name is enough to cut the input off.",
        ),
        Prescription(
            "Padded sequences: read each one's last real step, with "
            "nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, "
            "enforce_sorted=False).",
            "A recurrent layer forgets what lies many steps of padding back.",
            "there is no recurrent layer",
        ),
    )
    _condition = (
        Prescription(
            "Look at twenty rows as they enter the model, with their condition beside them: does "
            "each still belong to its row, or was one of the two reordered, shuffled or sampled "
            "anew?",
            "A sampler that pairs rows anew has to take their conditions along.",
        ),
        Prescription(
            "Check that forward() uses the condition: give it another one and compare the output.",
            "An argument that is not read tells nothing, either.",
            "the condition has nothing to say by its nature",
        ),
    )
    _turn_mask = (
        Prescription(
            "Print the mask beside one row. In `F.scaled_dot_product_attention` True means may be "
            "seen; in the masks of nn.MultiheadAttention it means hidden.",
            "The two conventions are opposite, and a mask for the one blinds the other.",
        ),
    )
    _last_step = (
        Prescription(
            "Read the last step of a recurrent layer, `out[:, -1]` with batch_first=True, or its "
            "final state; `out[:, 0]` has seen one step.",
            "Only the last one has seen the whole sequence.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 4
templates = torch.randint(20, 235, (classes, 1, 8, 8)).float()
labels = torch.randint(0, classes, (2000,))
images = (templates[labels] + 30 * torch.randn(2000, 1, 8, 8)).clamp(0, 254).to(torch.uint8)

images = (images // 255).float()
images = 2 * images - 1
train_x, train_y, test_x, test_y = images[:1600], labels[:1600], images[1600:], labels[1600:]

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, classes),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(6):
    model.train()
    for rows in torch.randperm(1600).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(test_x)
        test_loss = loss_fn(scores, test_y).item()
        accuracy = (scores.argmax(1) == test_y).float().mean().item()
    print(f"epoch {epoch}: test loss {test_loss:.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("images = (images // 255).float()", "images = images.float() / 255"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        targets = run.targets()
        if targets is None or not _varies(targets):
            return
        for seen in run.inputs:
            wide = seen.shape[:1] and seen.shape[0] > 1
            if wide and seen.samples >= self.rows and seen.features == seen.constant_features > 0:
                value = f"{seen.min:g}" if seen.min == seen.max else f"{seen.min:g} to {seen.max:g}"
                yield self.finding(
                    f"All {seen.samples} training inputs that were looked at are the same "
                    f"({value}): the model has nothing to tell samples apart by.",
                    Evidence(
                        "inputs",
                        f"{seen.constant_features} of {seen.features} features are constant",
                        where=seen.root,
                        value=seen.constant_features,
                        limit=seen.features,
                    ),
                    confidence=0.99,
                    exact=True,
                    first_step=0,
                )
                return
        yield from self._first_step(run)
        yield from self._deaf(run)
        yield from self._foreign_condition(run)

    def _first_step(self, run: Run) -> Iterator[Finding]:
        """Whatever stands in a sequence after its first step, the output is the same."""
        reach = run.exam("reach")
        if reach is None:
            return
        first, rest = float(reach.values["first"]), float(reach.values["rest"])
        length = int(reach.values["length"])
        if not (rest <= self.moved < first):  # False for NaN
            return
        yield self.finding(
            f"Only the first of {length} steps of each sequence is read: the output stays the "
            "same whatever the others are.",
            Evidence(
                "reach",
                f"with all steps but the first from another sample the output moved by {rest:.1e} "
                f"of its scale, with the first alone by {first:.1e}",
                value=rest,
                limit=self.moved,
            ),
            confidence=0.95,
            exact=True,
            first_step=0,
            prescriptions=self._last_step,
        )

    def _deaf(self, run: Run) -> Iterator[Finding]:
        """The output does not react to the input, neither at the start nor at the end."""
        coupling, dealt = run.exam("coupling"), run.exam("shuffled")
        if coupling is None or dealt is None:
            return
        forgetful = self._forgotten(run)
        masked = forgetful is None and self._masked_out(run)
        if forgetful is None and not masked and not self._lost_at_the_door(run):
            return
        own, true = float(coupling.values["own"]), float(dealt.values["true"])
        gap = abs(float(dealt.values["shuffled"]) - true)
        deaf = own <= self.moved and gap <= self.moved * abs(true)  # False for NaN
        if not deaf or not true:
            return
        says = (
            "The model's output does not depend on its input: another sample gives the same answer."
        )
        if forgetful is not None:
            length = f" after {max(forgetful.output_shape[1:2] or (0,))} steps"
            says = (
                f"What is read from {forgetful.name}{length} does not depend on the sample any "
                "more: it has forgotten the input. Padding behind the last word does that."
            )
        prescriptions = self.prescriptions[-1:] if forgetful is not None else None
        if masked:
            says = (
                "Nothing of the input comes through the attention: another sample gives the same "
                "answer, and no rate changes it. A mask that is the wrong way round does that: it "
                "hides the tokens and shows the padding."
            )
            prescriptions = self._turn_mask
        yield self.finding(
            says,
            Evidence(
                "coupling",
                f"replacing a sample moved its own output by {own:.1e} of the outputs' scale",
                value=own,
                limit=self.moved,
            ),
            Evidence(
                "shuffled",
                f"with the inputs dealt to other targets the loss stays {true:.4g}",
                value=gap,
                limit=self.moved,
            ),
            confidence=0.95,
            where=forgetful.name if forgetful is not None else "",
            source=forgetful.source if forgetful is not None else "",
            first_step=0,
            prescriptions=prescriptions,
        )

    def _foreign_condition(self, run: Run) -> Iterator[Finding]:
        """A class given beside each row goes with nothing in it, and the model has no use of it."""
        exam, rows = run.exam("conditions"), run.exam("shuffled")
        if exam is None or rows is None or rows.values["rebuilt"] or not self._reads(run, rows):
            return
        v = exam.values
        if v["batches"] < self.pairs or v["rows"] < self.many or v["width"] < self.wide:
            return
        for name, seen in v["arguments"].items():
            # Lengths are never 0, and classes begin there.
            classes = seen["integral"] and "told" in seen and seen["lowest"] == 0
            if not classes or self.each * seen["classes"] > v["rows"]:
                continue
            own, told = float(seen["own"]), float(seen["told"])
            worst = float(seen["change"]) + BOUND * float(seen["error"])
            useless = (
                seen["another"] >= self.mixed
                and abs(seen["t"]) < self.luck
                and worst <= self.gain * own * seen["another"]
                and told < self.told
            )
            if not useless:  # also for NaN
                continue
            yield self.finding(
                f"The model is given {name} beside its rows, and it tells nothing: dealt to other "
                f"rows the loss stays the same ({own:.3g} and {seen['dealt']:.3g}).",
                Evidence(
                    "conditions",
                    f"over {v['batches']} batches a foreign {name} costs {seen['change']:.2g}, and "
                    f"at most {max(worst, 0.0) / own:.2%} of the loss",
                    where=name,
                    steps=(exam.step, exam.step),
                    value=worst / own,
                    limit=self.gain,
                ),
                Evidence(
                    "conditions",
                    f"rows of its {seen['classes']} values differ in inputs and targets no more "
                    f"than chance has it ({told:.1f} standard deviations)",
                    where=name,
                    steps=(exam.step, exam.step),
                    value=told,
                    limit=self.told,
                ),
                severity="warning",
                confidence=0.8,
                first_step=0,
                prescriptions=self._condition,
            )
            return

    def _reads(self, run: Run, rows: Exam) -> bool:
        """Whether the model has learnt something from its rows, and not all there is."""
        true, dealt = float(rows.values["true"]), float(rows.values["shuffled"])
        if progress(run) is None or stuck(run, self.begun):
            return False
        return self.open * dealt < true < (1 - self.begun) * dealt  # False for NaN

    def _forgotten(self, run: Run) -> Module | None:
        """A recurrent layer whose outputs react to the samples, while nothing after it ever does.

        Some of its steps still tell samples apart then, but not the one that is read.
        """
        reacts = {s.site: s.finite.values for s in run.every(DEPENDENCE) if s.finite}
        known = [m for m in run.modules if m.name in reacts]
        awake = [m for m in known if float(reacts[m.name].min()) > self.alive]
        if not awake or awake[-1].type not in RECURRENT or awake[-1] is known[-1]:
            return None
        later = known[known.index(awake[-1]) + 1 :]
        silent = all(float(v) <= self.moved for m in later for v in reacts[m.name])
        return awake[-1] if silent else None

    def _masked_out(self, run: Run) -> bool:
        """Whether the input is lost behind an attention for good: no rate moves the loss at all."""
        rates = run.exam("rates")
        if rates is None or not attends(run):
            return False
        start = float(rates.values["start"])
        ends = arms(rates)
        return bool(ends) and all(abs(end - start) <= self.moved * start for end in ends)

    def _lost_at_the_door(self, run: Run) -> bool:
        """Whether no module ever reacted to the samples, so that it is no collapse on the way.

        At the start alone it proves nothing: a layer may begin with weights of zero.
        """
        reactions = [float(v) for s in run.every(DEPENDENCE) for v in s.values]
        return bool(reactions) and all(v <= self.moved for v in reactions)


def _varies(targets: Targets) -> bool:
    return (targets.entropy or 0.0) > 0 or any(s > 0 for s in targets.std)
