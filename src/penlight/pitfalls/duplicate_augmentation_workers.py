"""duplicate-augmentation-workers: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Exam
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class DuplicateAugmentationWorkers(Pitfall):
    """All workers of the data loader roll the same dice.

    Four friends toss coins to be independent, but all look at the same film of one coin.

    ## What happens
    A worker process gets a copy of the dataset. A random generator that the dataset holds is
    copied with its state, so all workers draw the same numbers, and with workers that are started
    anew each epoch draws the same numbers again. The augmentation looks random and is much less
    varied than it seems.

    ## Symptoms
    - No error and no warning; augmentation helps less than expected.
    - The same noise, crop or flip comes back in the batches of all workers.

    ## Causes
    - `self.rng = np.random.default_rng(seed)` in the dataset's or a transform's `__init__`.
    - torch before 1.9: the global generator of NumPy, too, which newer ones seed in each worker.

    ## When not to worry
    Draws that are meant to repeat, such as one fixed augmentation per sample. With no workers, or
    with one that is kept from epoch to epoch, nothing is drawn twice. Penlight reads which fields
    the dataset's methods use; it does not run them. Tested with torch 2.13 and two workers on a
    CPU: half of all draws were drawn twice within an epoch.

    ## References
    - T. Pärnamaa, Using PyTorch + NumPy? You're making a mistake (2021).
    - pytorch pull request 56488: NumPy is seeded in each worker.
    """

    family = "data"
    stands_alone = True
    needs = (Exam,)
    looks_like = {
        "overfitting": "Overfitting happens with any augmentation; this is seen in the dataset.",
    }
    workers: float = limit(
        2, why="processes with the same generator, from which on draws are shared"
    )
    epochs: float = limit(
        2, why="with one worker that starts anew, the second epoch repeats the draws of the first"
    )
    prescriptions = (
        Prescription(
            "Use torch's own random numbers in the dataset: torch.rand(...), torch.randint(...).",
            "torch gives each worker, and each epoch, another seed.",
        ),
        Prescription(
            "Or make the generator where it is used first: in __getitem__, if self.rng is None: "
            "self.rng = np.random.default_rng(torch.initial_seed()).",
            "torch.initial_seed() differs between workers and epochs.",
        ),
        Prescription(
            "Or give the loader a worker_init_fn that sets get_worker_info().dataset.rng anew.",
            "It runs once in each worker, before the first sample.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class Noisy(Dataset):
    \"\"\"Rows with a little noise, to make few rows go a long way.\"\"\"

    def __init__(self, x, y):
        self.x, self.y = x, y
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        noise = torch.tensor(self.rng.normal(size=12), dtype=torch.float32)
        return self.x[i] + 0.3 * noise, self.y[i], noise[0]


centres = torch.randn(4, 12)
y = torch.randint(0, 4, (400,))
loader = DataLoader(
    Noisy(centres[y] + torch.randn(400, 12), y), batch_size=25, shuffle=True, num_workers=2
)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

draws = []
for epoch in range(4):
    for x, label, noise in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), label)
        loss.backward()
        optimizer.step()
        draws += noise.tolist()
    print(f"epoch {epoch}: loss {loss.item():.3f}")

fresh = len(set(draws)) / len(draws)
print("RESULT " + json.dumps({"metric": "share of draws that are new", "value": fresh}))
""",
        cure=(
            ("        self.rng = np.random.default_rng(seed)\n", ""),
            (
                "torch.tensor(self.rng.normal(size=12), dtype=torch.float32)",
                "torch.randn(12)",
            ),
            ("import numpy as np\n", ""),
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for exam in reversed([x for x in run.all(Exam) if x.name == "workers"]):
            v = exam.values
            again = v["epochs"] >= self.epochs and not v["persistent"]
            if v["seeded"] or not (v["workers"] >= self.workers or again):
                continue
            name, count = v["generator"], int(v["workers"])
            twice = "once more in each epoch" if count < self.workers else f"{count} times an epoch"
            yield self.finding(
                f"`{name}` is a random generator, and each of the loader's {count} worker(s) gets "
                f"a copy of it: what it draws is drawn {twice}.",
                Evidence(
                    "exam",
                    f"`{name}` is used by the methods of its class, there are {count} worker(s), "
                    "and no worker_init_fn",
                    steps=(exam.step, exam.step),
                    value=float(count),
                    limit=self.workers,
                ),
                severity="warning",
                confidence=0.9,
                where=name,
                first_step=exam.step,
            )
            return
