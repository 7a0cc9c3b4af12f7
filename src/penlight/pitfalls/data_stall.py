"""data-stall: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Loading
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class DataStall(Pitfall):
    """The training waits for its data most of the time.

    A star chef with folded arms while one apprentice peels vegetables: a faster stove changes
    nothing, a second apprentice does.

    ## What happens
    Between two steps the loop asks the DataLoader for a batch. Without workers the batch is made
    on the spot, in the training's own process: reading, decoding, augmenting, one sample after the
    other. As long as that takes, the model and the accelerator stand still, and a faster
    accelerator only waits more.

    ## Symptoms
    - Steps take as long with a small model as with a large one.
    - Low utilisation of the device, high load of one core.

    ## Causes
    - `num_workers=0`, or fewer workers than the decoding needs.
    - Slow work in `__getitem__` that could be done once: decoding, resizing, tokenising.
    - Many small files on a network disk; no `pin_memory`, no `prefetch_factor`.

    ## When not to worry
    Toy models are always bound by their data: the share of the time alone says nothing, so a wait
    has to be long in itself. That the run learns is not touched by any of this.

    What was tested: the time of each fetch is measured on a CPU, with and without a slow dataset.
    A device that stands still meanwhile was not available.

    ## References
    - Google, Deep Learning Tuning Playbook: optimizing the input pipeline.
    - torch documentation of `torch.utils.data`: multi-process data loading.
    """

    family = "performance"
    needs = (Loading,)
    stands_alone = True
    looks_like = {
        "device-sync-stall": (
            "Reading numbers back from the device waits in the loop, not in the DataLoader."
        ),
    }
    share: float = limit(
        0.5,
        why="share of the time between steps: half of the run is spent waiting, and no change to "
        "the model can make it faster than twice; shared/catalogue.md asks for 0.3",
    )
    wait: float = limit(
        0.005,
        why="seconds a fetch: below it even toy data sets in memory wait (0.87 of the time without "
        "any delay, shared/catalogue.md), and there is nothing to gain",
    )
    lost: float = limit(3.0, why="seconds in all: a run that lost less is over before it is mended")
    batches: float = limit(40, why="batches behind the share, the first ten left out")
    prescriptions = (
        Prescription(
            "Let workers prepare the batches: DataLoader(..., num_workers=4, "
            "persistent_workers=True, pin_memory=True).",
            "They work while the model does.",
            "memory is short, or the data are in memory already",
        ),
        Prescription(
            "Do once what is the same every epoch: decode, resize and tokenise beforehand.",
            "Then __getitem__ only indexes.",
            "the disk is too small for the result",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class Recordings(Dataset):
    def __init__(self):
        self.x = torch.randn(640, 16)
        self.y = (self.x[:, :4].sum(1) > 0).long()
        self.decoded = {}

    def __len__(self):
        return len(self.x)

    def decode(self, i):
        time.sleep(0.004)  # stands for reading and decoding a file
        return self.x[i]

    def __getitem__(self, i):
        return self.decode(i), self.y[i]


data = Recordings()
loader = DataLoader(data, batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

begin = time.perf_counter()
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.3f}, {time.perf_counter() - begin:.1f} s")

taken = time.perf_counter() - begin
print("RESULT " + json.dumps({"metric": "seconds", "value": taken}))
""",
        cure=(
            (
                "        return self.decode(i), self.y[i]",
                (
                    "        if i not in self.decoded:\n"
                    "            self.decoded[i] = self.decode(i)\n"
                    "        return self.decoded[i], self.y[i]"
                ),
            ),
        ),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for fact in run.all(Loading):
            if fact.batches < self.batches or fact.seconds <= 0:
                continue
            share = fact.waited / fact.seconds
            if share < self.share or fact.median < self.wait or fact.waited < self.lost:
                continue
            workers = f"{fact.workers} workers" if fact.workers else "no workers"
            yield self.finding(
                f"{share:.0%} of the training time is spent waiting for the DataLoader, which has "
                f"{workers}: a batch takes {1000 * fact.median:.3g} ms to come.",
                Evidence(
                    "loading",
                    f"{fact.waited:.3g} of {fact.seconds:.3g} s over {fact.batches} batches; with "
                    "the data at hand the run could be "
                    f"{1 / max(1 - share, 0.01):.3g} times as fast",
                    value=share,
                    limit=self.share,
                ),
                severity="warning",
                confidence=0.9,
                exact=True,
                first_step=0,
            )
