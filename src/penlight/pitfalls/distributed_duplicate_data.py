"""distributed-duplicate-data: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Peers, Sampler, Shard
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run
from penlight.core.vocabulary import WEIGHT_NORM


class DistributedDuplicateData(Pitfall):
    """The processes of a distributed training see the same data, or drift apart.

    A relay team of four in which everybody runs the first lap: four times the sweat, and no
    faster.

    ## What happens
    In data-parallel training each process, or rank, takes another part of the batch, and the
    gradients are averaged. When all ranks are fed the same rows, the average is the gradient of
    one small batch that was computed several times. When a DistributedSampler is never told which
    epoch it is, it shuffles with the same seed each time: every epoch brings the same batches in
    the same order. And when the gradients are not averaged, each rank trains a model of its own.

    ## Symptoms
    - More processes train no better than one; the loss curve is that of the small batch.
    - The same saw-tooth in the loss, epoch after epoch.
    - Checkpoints or metrics that depend on the rank.

    ## Causes
    - A DataLoader with `shuffle=True` and the same seed on all ranks, without DistributedSampler.
    - `sampler.set_epoch(epoch)` forgotten.
    - `model.module(x)` instead of `model(x)`: it goes past the wrapper that averages gradients.
    - Different seeds when the model is built by hand, without DDP to copy the weights of rank 0.

    ## When not to worry
    Ranks of one tensor-parallel group share their rows on purpose; Penlight only compares where
    DistributedDataParallel or FSDP spans all processes. A batch that is the same at every step, to
    see whether a model can learn it by heart, may be the same on all ranks. The order of evaluation
    data is free. What was tested: two processes with gloo on a CPU.

    ## References
    - torch documentation of `torch.utils.data.distributed.DistributedSampler`: set_epoch.
    - pytorch issues 31771 and 40043.
    """

    family = "data"
    stands_alone = True
    needs = (Shard, Peers, Sampler, WEIGHT_NORM)
    looks_like = {
        "not-shuffled": "Data sorted by class give batches of one class; this is about ranks.",
    }
    share: float = limit(
        0.5,
        why="of a rank's rows that another rank is fed at the same step: 0 with a "
        "DistributedSampler (tests/distributed), and 1 without; padding repeats a few at the end",
    )
    steps: float = limit(3, why="steps at which rows were compared: one could be a warm-up batch")
    fresh: float = limit(
        0.5, why="of the rows are new to their rank: below, one batch is learnt again and again"
    )
    apart: float = limit(
        1e-3,
        why="relative difference of a parameter's norm between ranks: ranks that add the same "
        "gradients agree in all bits (tests/distributed)",
    )
    passes: float = limit(3, why="epochs with one order: two may be a resumed or a warm-up epoch")
    prescriptions = (
        Prescription(
            "sampler = DistributedSampler(dataset); loader = DataLoader(dataset, batch_size=..., "
            "sampler=sampler), and sampler.set_epoch(epoch) at the start of each epoch.",
            "Each rank then gets another part of the data, dealt anew in every epoch.",
            "the dataset itself gives each rank its own part, as sharded streams do",
        ),
        Prescription(
            "Call the wrapped model, model(x), never model.module(x), in the training step.",
            "The wrapper's forward pass prepares the averaging of the gradients.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x = torch.randn(512, 10)
y = (x[:, 0] * x[:, 1] > 0).long()
data = TensorDataset(x, y)

# Both ranks in one process: what rank 0 and rank 1 load makes one global batch.
samplers = [DistributedSampler(data, num_replicas=2, rank=r, seed=seed) for r in range(2)]
loaders = [DataLoader(data, batch_size=16, sampler=s) for s in samplers]
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

batches = []
for epoch in range(8):
    for parts in zip(*loaders):
        inputs, labels = (torch.cat(rows) for rows in zip(*parts))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        batches.append(round(inputs.double().sum().item(), 6))
    print(f"epoch {epoch}: loss {loss.item():.3f}")

fresh = len(set(batches)) / len(batches)
print("RESULT " + json.dumps({"metric": "share of batches that are new", "value": fresh}))
""",
        cure=(
            (
                "    for parts in zip(*loaders):\n",
                (
                    "    for sampler in samplers:\n"
                    "        sampler.set_epoch(epoch)\n"
                    "    for parts in zip(*loaders):\n"
                ),
            ),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for peers in run.all(Peers):
            moving = peers.steps >= self.steps and peers.fresh >= self.fresh
            if moving and peers.shared >= self.share * peers.rows > 0:
                yield self._same_rows(peers)
                return
            if peers.apart > self.apart:
                yield self._apart(peers)
                return
        for sampler in run.all(Sampler):
            if sampler.passes >= self.passes and sampler.epochs == 1:
                yield self._same_order(sampler)
                return

    def _same_rows(self, peers: Peers) -> Finding:
        share = peers.shared / peers.rows
        return self.finding(
            f"{share:.0%} of the rows that rank 0 is fed are fed to another rank at the same step: "
            f"{peers.world} processes do the work of fewer.",
            Evidence(
                "rows",
                f"{peers.shared} of {peers.rows} rows, compared at {peers.steps} steps with "
                f"{peers.compared} other rank(s) under {peers.parallel}",
                value=share,
                limit=self.share,
            ),
            severity="warning",
            confidence=0.95,
            exact=True,
            first_step=0,
            prescriptions=self.prescriptions[:1],
        )

    def _apart(self, peers: Peers) -> Finding:
        return self.finding(
            "The ranks no longer train one model: their weights differ, though "
            f"{peers.parallel} keeps them equal when it averages the gradients.",
            Evidence(
                "weight_norm",
                f"the norm of {peers.where} differs by {peers.apart:.2g} of its size between two "
                f"ranks, first at step {peers.first_step}",
                where=peers.where,
                steps=(peers.first_step, peers.first_step),
                value=peers.apart,
                limit=self.apart,
            ),
            severity="critical",
            confidence=0.95,
            exact=True,
            where=peers.where,
            first_step=peers.first_step,
            prescriptions=self.prescriptions[1:],
        )

    def _same_order(self, sampler: Sampler) -> Finding:
        return self.finding(
            f"The DistributedSampler deals the same batches in the same order in each of "
            f"{sampler.passes} epochs: set_epoch() never told it of a new one.",
            Evidence(
                "sampler",
                f"{sampler.passes} passes over the training data for {sampler.replicas} ranks, all "
                "shuffled as epoch 0",
                steps=(sampler.step, sampler.step),
                value=float(sampler.passes),
                limit=self.passes,
            ),
            severity="warning",
            confidence=0.95,
            exact=True,
            source=sampler.source,
            first_step=sampler.step,
            prescriptions=self.prescriptions[:1],
        )
