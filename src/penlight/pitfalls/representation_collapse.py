"""representation-collapse: see the card."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from penlight.core.facts import Exam, Graph, Module, Objective
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run, Series
from penlight.core.vocabulary import DEPENDENCE, LOSS, OBJECTIVE_LOSS, OUTPUT_STD
from penlight.pitfalls._graph import MATMUL, PARTED, wirings


class RepresentationCollapse(Pitfall):
    """Every input gets the same representation, since the loss is lowest that way.

    A clerk who puts every document into the same drawer: each is filed at once next to its like,
    and none is ever found again.

    ## What happens
    A loss that asks two views of one thing to agree has a solution without any knowledge: give
    everything the same embedding. Where nothing pushes different things apart, or stops the target
    from running towards its follower, gradient descent finds it. A variational autoencoder does the
    like when the KL term outweighs the reconstruction: a code that says nothing costs no KL, and
    the decoder gives the average sample to everything (posterior collapse).

    ## Symptoms
    - The loss reaches its lowest value, -1 for a cosine, within a few hundred steps.
    - All reconstructions look alike, and the KL term is close to zero.
    - The embeddings hardly depend on the input.
    - A probe on top of them is near chance.

    ## Causes
    - No negatives, no stop-gradient (`z.detach()`) and no target network.
    - A predictor head left out; too strong weight decay; a temperature that is far off.
    - A reconstruction error that is averaged over pixels beside a KL term that is summed.

    ## When not to worry
    A loss that also keeps the embeddings apart, or that compares with a target without gradient,
    may pull as it likes: the spread stays. A supervised network draws each class together at the
    end; that is no collapse, and Penlight does not look at it. It looks at losses that compare
    outputs with one another, not at likelihoods written by hand; nor at embeddings that keep some,
    but few directions, or at a posterior of which some dimensions are unused.

    ## References
    - X. Chen and K. He, Exploring Simple Siamese Representation Learning, CVPR 2021.
    - L. Jing et al., Understanding dimensional collapse, ICLR 2022.
    - Q. Garrido et al., RankMe, ICML 2023.
    - S. Bowman et al., Generating Sentences from a Continuous Space, CoNLL 2016: a code unused.
    """

    family = "objective"
    stands_alone = True
    needs = (
        Graph,
        Module,
        Objective,
        Exam,
        DEPENDENCE,
        LOSS,
        OBJECTIVE_LOSS,
        OUTPUT_STD,
    )
    caused_by = (
        "nonfinite-loss",
        "exploding-gradient",
        "lr-too-high",
        "dying-relu",
        "loss-broadcast",
        "excessive-regularisation",
        "wrong-sign",
    )
    looks_like = {
        "forward-collapse": (
            "A collapsed forward pass gives like outputs from the start, and the loss stays high."
        ),
    }
    before: float = limit(
        0.25,
        why="dependence of the embeddings on the input at its best: it had something to lose; the "
        "demo begins at 0.63",
    )
    between: float = limit(
        0.04,
        why="the same where the loss itself compares two outputs: random nets begin low, a "
        "convolutional one at 0.059 (then 0.0036), a recurrent one at 0.11, an MLP at 0.27",
    )
    after: float = limit(
        0.1,
        why="dependence at the end: 0.06 in the demo, whose inputs still differ by random views, "
        "0.49 with a stop-gradient",
    )
    fall: float = limit(5.0, why="times lower than at its best: 11 in the demo, 1.3 in its cure")
    looks: float = limit(20, why="looks at the layer: the end is the median of the last five")
    unsaid: float = limit(
        0.02,
        why="share by which a reconstruction from another sample's input is worse: 0.002 and less "
        "in six forms of a VAE whose KL term had won, 0.13 to 5.8 in five that reconstruct",
    )
    beside: float = limit(
        0.01, why="of the reconstruction error at first: a loss with less beside it has one term"
    )
    trained: float = limit(200, why="steps: a decoder begins with the average sample, and goes on")
    _weigh = (
        Prescription(
            "Put both terms on one scale: sum the reconstruction error over the features as well "
            "(`reduction='sum'`, divided by the batch size), as the KL term is.",
            "A mean over 784 pixels beside a sum is a weight of 784 on the KL term.",
            edits=("sum-features",),
        ),
        Prescription(
            "Or weigh the KL term: multiply it by a small number, or let that number rise "
            "from 0 to 1 over the first epochs.",
            "The decoder then learns to use the code before the code has a price.",
        ),
    )
    prescriptions = (
        Prescription(
            "Stop the gradient at the target: compare head(z1) with z2.detach(), and the other way "
            "round.",
            "The target can then not run towards its follower.",
        ),
        Prescription(
            "Use negatives (a contrastive loss), a slow target network, or terms for variance and "
            "covariance (VICReg).",
            "Different things are then pushed apart.",
        ),
        Prescription(
            "Lower the weight decay, and watch the spread of the embeddings beside the loss.",
            "The loss cannot tell collapse from success.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes = 6
centres = torch.randn(classes, 24)
labels = torch.randint(0, classes, (1200,))
x = centres[labels] + 0.5 * torch.randn(1200, 24)


def view(rows):
    return rows + 0.4 * torch.randn_like(rows)


encoder = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 16))
head = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16))
optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1, momentum=0.9)
cosine = nn.CosineSimilarity(dim=1)


def target(z):
    return z


for epoch in range(12):
    for rows in torch.randperm(1200).split(60):
        a, b = encoder(view(x[rows])), encoder(view(x[rows]))
        loss = -(cosine(head(a), target(b)).mean() + cosine(head(b), target(a)).mean()) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        z = nn.functional.normalize(encoder(x), dim=1)
        spread = (z.std(0).square().sum() / z.square().mean(0).sum()).item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, spread of the embeddings {spread:.3f}")

with torch.no_grad():
    known, new = encoder(x[:600]), encoder(x[600:])
    near = torch.cdist(new, known).argmin(1)
accuracy = (labels[:600][near] == labels[600:]).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy of the nearest neighbour", "value": accuracy}))
""",
        cure=(("    return z\n", "    return z.detach()\n"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        yield from self._unused_code(run)
        loss = run.series(LOSS).finite
        if len(loss) < 50 or not all(self._shrinks(run, o) for o in run.objectives):
            return
        if not run.objectives and not _compares(run):
            return
        before = self.between if run.objectives else self.before
        if not float(np.median(loss.tail(0.1))) < float(np.median(loss.head(0.1))):
            return
        if any(_late(s) > self.after for s in self._heads(run)):
            return  # one of several heads may well say the same of all, as that of a variance
        for site, series in self._ends(run):
            best = float(series.head(0.5).max())
            now = _late(series)
            if best < before or now > self.after or now * self.fall > best:
                continue
            yield self.finding(
                f"The outputs of {site} hardly depend on the input any more ({now:.2g}, at first "
                f"{best:.2g}), while the loss fell to {float(np.median(loss.tail(0.1))):.3g}: all "
                "inputs get the same embedding.",
                Evidence(
                    "dependence",
                    "share of the outputs' size that differs between inputs, median of the last "
                    "looks",
                    where=site,
                    steps=(int(series.steps[0]), int(series.steps[-1])),
                    value=now,
                    limit=self.after,
                ),
                severity="critical",
                confidence=0.88,
                where=site,
                first_step=int(series.steps[int(np.argmax(series.values < self.after))]),
            )
            return

    def _heads(self, run: Run) -> Iterator[Series]:
        """Dependence of the layers whose outputs go into the loss."""
        names = {
            wiring.place(i)
            for wiring in wirings(run)
            for i in wiring.layers
            if wiring.head.intersection(wiring.users[i])
        }
        for name in names:
            if len(run.series(DEPENDENCE, name)) >= self.looks:
                yield run.series(DEPENDENCE, name).finite

    def _unused_code(self, run: Run) -> Iterator[Finding]:
        """An autoencoder that reconstructs the average, for the sake of the loss's other term."""
        objective = run.objective
        dealt = run.exam("shuffled")
        if objective is None or dealt is None or not dealt.values.get("rebuilt"):
            return
        rest, own = _terms(run, objective)
        if not rest > self.beside * own or run.steps < self.trained:
            return
        true, other = float(dealt.values["true"]), float(dealt.values["shuffled"])
        if not 0 < other <= (1 + self.unsaid) * true:  # False for NaN
            return
        yield self.finding(
            "The model gives every input the same reconstruction: with another sample's input the "
            f"error is {other:.3g}, with its own {true:.3g}. The loss has a second term "
            f"({rest:.3g} beside {own:.3g} at the first step), and a code that says nothing is "
            "the cheapest way to lower it.",
            Evidence(
                "shuffled",
                f"with the inputs dealt to other targets the error changed from {true:.4g} to "
                f"{other:.4g}",
                where=objective.site,
                value=other / true - 1,
                limit=self.unsaid,
            ),
            Evidence(
                "loss",
                f"the first loss is {rest + own:.3g}, of which {own:.3g} is the reconstruction",
                where=objective.site,
                steps=(0, 0),
            ),
            severity="critical",
            confidence=0.88,
            where=objective.site,
            source=objective.source,
            prescriptions=self._weigh,
        )

    def _shrinks(self, run: Run, objective: Objective) -> bool:
        """Whether a loss compares two outputs, and these come together for all samples."""
        spread = run.series(OUTPUT_STD, objective.site).finite
        if not objective.target_learnt or len(spread) < self.looks:
            return False
        now = _late(spread)
        return now * self.fall < float(spread.head(0.5).max())

    def _ends(self, run: Run) -> Iterator[tuple[str, Series]]:
        """The last measured layer of each model, in order of execution.

        One number is no embedding: that of an energy or a critic may drift, as nothing holds it.
        """
        last: dict[str, Module] = {}
        for module in run.modules:
            if len(run.series(DEPENDENCE, module.name)) >= self.looks:
                last[module.root] = module
        for module in last.values():
            if module.output_shape[1:] != (1,):
                yield module.name, run.series(DEPENDENCE, module.name).finite


def _compares(run: Run) -> bool:
    """Whether a loss by hand may set outputs against one another, as far as its graph tells.

    A layer was used twice, the rows of one output were taken apart or multiplied with each other,
    or a second model had its say, as a target network does. A likelihood does nothing of this.
    """
    if len({module.root for module in run.modules}) > 1:
        return True
    for wiring in wirings(run):
        last = Counter(
            wiring.place(i) for i in wiring.layers if wiring.head.intersection(wiring.users[i])
        )
        if max(last.values(), default=0) > 1:
            return True
        if any(wiring.names[i] in PARTED | MATMUL for i in wiring.head):
            return True
    return False


def _late(series: Series) -> float:
    return float(np.median(series.values[-5:]))


def _terms(run: Run, objective: Objective) -> tuple[float, float]:
    """The first loss without its reconstruction, and the reconstruction, as they stand in it."""
    first, own = run.series(LOSS).finite, run.series(OBJECTIVE_LOSS, objective.site).finite
    if not first or not own or first.steps[0] != own.steps[0]:
        return 0.0, 0.0
    whole, each = float(first.values[0]), float(own.values[0])
    sizes = [1.0]
    if objective.reduction != "mean":  # summed over all, or divided by the rows afterwards
        sizes = [float(math.prod(objective.target_shape[i:])) for i in (0, 1)]
    found = [(whole - each * size, each * size) for size in sizes]
    return min((f for f in found if f[0] >= 0), default=(0.0, whole))
