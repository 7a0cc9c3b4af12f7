"""hidden-bottleneck-or-shape-bug: see the card."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from penlight.core.facts import Carried, Exam, Graph, Module, Objective, Parameter, Repeated
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.pitfalls._curves import progress
from penlight.pitfalls._graph import Wiring, wirings
from penlight.pitfalls._rates import rates

# Operations that read the same memory in another shape. Moved values end a chain of them.
CUTS = frozenset(
    ("View", "UnsafeView", "Reshape", "ReshapeAlias", "Squeeze", "Unsqueeze", "Unflatten")
)
MOVES = frozenset(("Transpose", "Permute", "T", "Movedim"))
ATTENTION = ("ScaledDotProduct", "Bmm")
IMAGE = 4  # dimensions of the output of a two-dimensional convolution


class HiddenBottleneckOrShapeBug(Pitfall):
    """The wiring puts values into the wrong place, or through too narrow a one.

    A page cut into strips and glued together again by columns: every letter is still there, the
    paper has the size that the reader expects, and no word can be read.

    ## What happens
    `view` and `reshape` do not move values, they only count them off differently. Where two
    dimensions had to change places, time steps end up in channels or one sample's values in
    another's. The shapes fit, so nothing complains, and the layers learn what can be learnt from
    confetti. A layer of one or two units between wide ones, a convolution over what was pooled to
    a single pixel, or one layer standing in a list several times are wiring mistakes of the same
    kind: legal, silent, and a ceiling for the model.

    ## Symptoms
    - Training works and stops far below what a simple model reaches.
    - Results change when the batch size changes.

    ## Causes
    - `x.view(x.size(0), x.size(2), x.size(1))` where `x.transpose(1, 2)` was meant; images that
      come as (height, width, channels) and are viewed as (channels, height, width).
    - Attention heads that are merged with `reshape` before they were transposed back.
    - `[layer] * n`, which is one layer n times, not n layers.
    - `reshape(-1, 1, features)`, or `timesteps = 1`, before a recurrent layer: sequences of one
      step, in which there is no past.
    - `x = block(x); x = x + x` where `x = x + block(x)` was meant.
    - A stray 1 or 2 in a list of widths; so much pooling that one pixel is left for the next
      convolution.

    ## When not to worry
    Swapping dimensions of size 1 moves nothing. Sharing one layer across the depth and narrow
    codes of autoencoders can be meant: they are told only where the run does not learn.

    ## References
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, arXiv 1910.11015.
    - A. Karpathy, A Recipe for Training Neural Networks (2019): use backprop to chart dependencies.
    """

    family = "architecture"
    needs = (Module, Graph, Parameter, Objective, Exam, Carried, LOSS, OBJECTIVE_LOSS)
    looks_like = {
        "cross-sample-leak": (
            "Samples can also leak into each other by a softmax or a mean over the batch, with all "
            "values in their place."
        ),
        "underfitting-capacity": (
            "A model that is too small has its values in the right places, and a wider one does "
            "better."
        ),
    }
    smoother: float = limit(
        0.7,
        why="steps between neighbouring pixels, channels last over channels first: true images "
        "with channels first get rougher when read the other way, noise stays at 1",
    )
    learnt: float = limit(
        0.8,
        why="share of what there is to learn: beyond it a narrow or shared layer does no harm; the "
        "same limit as underfitting-capacity",
    )
    calls: float = limit(
        8, why="batches: one or two short ones may be the end of a pass, or a trial of the shapes"
    )
    width: float = limit(
        2, why="units: one or two numbers per sample are a stray digit, eight may be a design"
    )
    wider: float = limit(
        4, why="times as wide the layers on both sides are: the narrow one then stands out"
    )
    gain: float = limit(
        0.1,
        why="of the loss, by which another rate improves the last state: beyond it the rate is "
        "the matter, as in underfitting-capacity",
    )
    doubled: float = limit(
        2, why="sums: one may be a way to write two times, the same in each block is a pattern; no "
        "healthy script has one (240 runs of benchmarks/healthy)"
    )  # fmt: skip
    steps: float = limit(200, why="fewer steps rarely reach a plateau")
    prescriptions = (
        Prescription(
            "Swap dimensions with transpose or permute, never with view or reshape: "
            "`x.transpose(1, 2)`, `x.permute(0, 3, 1, 2)`.",
            "view only cuts the same memory differently: the values stay where they were.",
            edits=("permute",),
        ),
        Prescription(
            "Make n layers, not one layer n times: `[Layer() for _ in range(n)]`.",
            "`[layer] * n` repeats a reference to one and the same layer.",
            "the layers are meant to share their weights",
        ),
        Prescription(
            "Widen the layer, or pool less before it.",
            "What it does not pass on is lost for all layers behind it.",
            "the narrow place is the point, as in an autoencoder",
        ),
    )
    _around = (
        Prescription(
            "Add what went into the block: `x = x + block(x)`.",
            "The input then reaches the next block as it was, and the light comes back along it.",
            "two times the output is what is meant: then write `2 * x`",
        ),
    )
    _recut = prescriptions[:1]
    _shared = prescriptions[1:2]
    _narrow = (
        Prescription(
            "Widen the layer to 64 or 128 units.",
            "What it does not pass on is lost for all layers behind it.",
            "the narrow place is the point, as in an autoencoder",
            edits=("widen",),
        ),
    )
    _pooled = prescriptions[2:]
    _window = (
        Prescription(
            "Give each sample a window of the past: x of shape (batch, 20, features), the last 20 "
            "values before the one to be told, and read the output at the last step.",
            "A recurrent layer that sees one step is a dense layer: what came before is unknown.",
            "one step tells all there is to know, or a state is handed on in another way",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
steps, channels, classes = 40, 6, 4
labels = torch.randint(0, classes, (1200,))
pairs = torch.tensor([[0, 1], [1, 0], [2, 3], [3, 2]])[labels]  # who calls, and who answers
start = torch.randint(0, steps - 5, (1200,))
x = 0.5 * torch.randn(1200, steps, channels)
x[torch.arange(1200), start, pairs[:, 0]] += 4.0
x[torch.arange(1200), start + 4, pairs[:, 1]] += 4.0
train_x, train_y, val_x, val_y = x[:800], labels[:800], x[800:], labels[800:]


class Recogniser(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(channels, 32, 5)
        self.conv2 = nn.Conv1d(32, 32, 3)
        self.head = nn.Linear(32, classes)

    def forward(self, x):
        x = x.reshape(-1, channels, steps)
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        return self.head(x.amax(2))


model = Recogniser()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(6):
    model.train()
    for rows in torch.randperm(800).split(50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
""",
        cure=(("x.reshape(-1, channels, steps)", "x.transpose(1, 2)"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        yield from self._fed_recut(run)
        yield from self._images_recut(run)
        for wiring in wirings(run):
            found = next(self._recut_inside(wiring), None)
            if found is not None:
                yield found
                break
        yield from self._doubled(run)
        seen = progress(run)
        if seen is None or seen.learnt is None or seen.learnt >= self.learnt:
            return
        if run.steps < self.steps or seen.diverged:
            return
        how = f"the run learnt {seen.learnt:.0%} of what there is to learn"
        yield from self._repeated(run, how)
        yield from self._single_pixel(run, how)
        yield from self._stray_width(run, how)
        yield from self._no_time(run, how)

    # -- values in the wrong place ----------------------------------------------------------

    def _fed_recut(self, run: Run) -> Iterator[Finding]:
        for module in run.modules:
            if module.recut_from:
                yield self._cut(module.recut_from, module.input_shape, module.name, module.source)

    def _images_recut(self, run: Run) -> Iterator[Finding]:
        """Images whose memory makes smooth pictures only when the channels come last."""
        exam = run.exam("layout")
        if exam is None or any(m.recut_from for m in run.modules):
            return
        first, last = float(exam.values["first"]), float(exam.values["last"])
        if not 0 < last < self.smoother * first:
            return
        yield self.finding(
            "The images have been viewed, not permuted, from (height, width, channels) to "
            "(channels, height, width): neighbours in them are no neighbours.",
            Evidence(
                "exam",
                f"from pixel to pixel they change by {first:.3g}, and by {last:.3g} when the same "
                "memory is read with the channels last",
                value=last / first,
                limit=self.smoother,
            ),
            confidence=0.93,
            first_step=0,
            prescriptions=self._recut,
        )

    def _recut_inside(self, wiring: Wiring) -> Iterator[Finding]:
        for i, name in enumerate(wiring.names):
            if name not in CUTS or any(wiring.names[j] in MOVES for j in wiring.users[i]):
                continue
            feeds = any(wiring.is_layer(j) for j in wiring.users[i])
            before, after = i, wiring.ops[i].shape
            while wiring.names[before] in CUTS:
                data = wiring.data(before)
                if len(data) != 1:
                    break
                before = data[0]
                start = wiring.ops[before].shape
                if feeds and swapped(start, after):
                    yield self._cut(start, after, wiring.place(before), "")
                if merged(start, after) and self._attention(wiring, before):
                    yield self._cut(start, after, wiring.place(before), "", heads=True)

    def _doubled(self, run: Run) -> Iterator[Finding]:
        """`x = f(x); x = x + x` in block after block: the way around the block leads nowhere."""
        for graph in run.graphs:
            sums = [
                op for op in graph.ops
                if op.name == "Add" and len(op.inputs) == 2 and len(set(op.inputs)) == 1
            ]  # fmt: skip
            if len(sums) < self.doubled:
                continue
            module = next((graph.ops[op.inputs[0]].module for op in sums), "")
            yield self.finding(
                f"{len(sums)} additions add an output to itself (x + x): that is two times the "
                "output, and no way around the block.",
                Evidence(
                    "graph",
                    f"{len(sums)} sums of a tensor with itself in the graph of the loss",
                    where=module,
                    value=float(len(sums)),
                    limit=self.doubled,
                ),
                severity="warning",
                confidence=0.95,
                where=module,
                first_step=0,
                prescriptions=self._around,
            )
            return

    @staticmethod
    def _attention(wiring: Wiring, i: int) -> bool:
        """Whether a node holds the output of attention, its dimensions never moved since."""
        while wiring.names[i] in CUTS or wiring.names[i] in ("Clone", "Expand", "NativeDropout"):
            data = wiring.data(i)
            if len(data) != 1:
                return False
            i = data[0]
        return wiring.names[i].startswith(ATTENTION)

    def _cut(
        self,
        before: tuple[int, ...],
        after: tuple[int, ...],
        where: str,
        source: str,
        heads: bool = False,
    ) -> Finding:
        batch = not heads and before[0] != after[0]
        what = (
            "The heads of attention are merged without having been moved behind time: the values "
            "of one position land in others."
            if heads
            else f"{where} is fed a view, not a transpose, of what it needs: "
            + (
                "the values of one sample land in another."
                if batch
                else "the values of one dimension land in another."
            )
        )
        return self.finding(
            what,
            Evidence(
                "module",
                f"memory of shape {before} is read as {after}; the dimensions changed places, the "
                "values did not",
                where=where,
            ),
            confidence=0.95,
            exact=True,
            where=where,
            source=source,
            first_step=0,
            prescriptions=self._recut,
        )

    # -- ceilings ---------------------------------------------------------------------------

    def _repeated(self, run: Run, how: str) -> Iterator[Finding]:
        shared = Counter((fact.root, fact.container) for fact in run.all(Repeated))
        for fact in run.all(Repeated):
            if shared[fact.root, fact.container] > 1:
                continue  # several layers, each some times: stacks that share by design
            yield self.finding(
                f"{fact.container} holds one and the same {fact.type} {fact.times} times: its "
                f"{fact.times} places share their weights, and {how}.",
                Evidence(
                    "module",
                    f"one {fact.type} stands {fact.times} times in {fact.container}",
                    where=fact.container,
                    value=fact.times,
                    limit=1,
                ),
                severity="warning",
                confidence=0.75,
                where=fact.container,
                source=fact.source,
                first_step=0,
                prescriptions=self._shared,
            )

    def _single_pixel(self, run: Run, how: str) -> Iterator[Finding]:
        for module in run.modules:
            kernel = module.settings.get("kernel_size")
            pixel = len(module.input_shape) == IMAGE and math.prod(module.input_shape[2:]) == 1
            if module.type == "Conv2d" and pixel and isinstance(kernel, list) and min(kernel) > 1:
                yield self.finding(
                    f"Only one pixel is left for {module.name}: of its {kernel[0]} x {kernel[1]} "
                    f"kernel the rest sees padding, and {how}.",
                    Evidence(
                        "module", f"its input has shape {module.input_shape}", where=module.name
                    ),
                    severity="warning",
                    confidence=0.7,
                    where=module.name,
                    source=module.source,
                    first_step=0,
                    prescriptions=self._pooled,
                )

    def _stray_width(self, run: Run, how: str) -> Iterator[Finding]:
        """A layer of one or two units between wide ones, in a regression; underfitting-capacity
        judges classifiers."""
        objective, compared = run.objective, rates(run, "rates_end")
        if objective is None or objective.target_dtype.startswith(("int", "uint")):
            return
        if compared is None or max(compared.tenth, compared.tenfold) > compared.own + self.gain:
            return
        weights = {p.module: p.shape for p in run.parameters if len(p.shape) == 2}
        line = [m for m in run.modules if m.type == "Linear" and m.name in weights]
        for narrow, after in pairwise(line):
            out, into = weights[narrow.name]
            behind = weights[after.name][0]
            if out > self.width or min(into, behind) < self.wider * out:
                continue
            if narrow.root != after.root:  # the output of one model, the input of another
                continue
            if after is line[-1] or not self._alone(run, narrow, after):
                continue
            yield self.finding(
                f"All that is known about a sample passes through the {out} "
                f"unit{'s' if out > 1 else ''} of {narrow.name}, between layers of {into} and "
                f"{behind}, and {how}.",
                Evidence(
                    "module",
                    f"{narrow.name} has {into} inputs and {out} outputs",
                    where=narrow.name,
                    value=out,
                    limit=self.width,
                ),
                severity="warning",
                confidence=0.7,
                where=narrow.name,
                source=narrow.source,
                first_step=0,
                prescriptions=self._narrow,
            )

    def _no_time(self, run: Run, how: str) -> Iterator[Finding]:
        for fact in run.all(Carried):
            if fact.calls >= self.calls and fact.lone == fact.calls:
                yield self.finding(
                    f"{fact.site} ({fact.type}) is only ever given a single time step, and no "
                    f"state from before: it has nothing to remember, and {how}.",
                    Evidence(
                        "carried",
                        f"all {fact.calls} training batches that were looked at are one step long",
                        where=fact.site,
                        value=fact.lone,
                        limit=self.calls,
                    ),
                    severity="warning",
                    confidence=0.85,
                    where=fact.site,
                    source=fact.source,
                    first_step=0,
                    prescriptions=self._window,
                )

    @staticmethod
    def _alone(run: Run, narrow: Module, after: Module) -> bool:
        """Whether a layer feeds the next one, and no data go round it: two heads stand apart."""
        for wiring in wirings(run):
            places = {wiring.place(i): i for i in wiring.layers}
            if narrow.name in places and after.name in places:
                i = places[narrow.name]
                fed = i in wiring.behind(places[after.name])
                return fed and (wiring.is_bottleneck(i) or wiring.is_entrance(i))
        return False


def swapped(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether two shapes have the same dimensions in another order, those of size 1 aside."""
    old, new = [n for n in before if n > 1], [n for n in after if n > 1]
    return len(old) > 1 and old != new and sorted(old) == sorted(new)


def merged(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether (batch, heads, time, size) is read as (batch, time, heads * size)."""
    if len(before) != 4 or len(after) != 3:
        return False
    batch, heads, time, size = before
    return after == (batch, time, heads * size) and heads > 1 and time > 1 and heads != time
