"""resume-state-lost: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Optimizer, Resume
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class ResumeStateLost(Pitfall):
    """A checkpoint is resumed with its weights, and the optimiser starts from nothing.

    Waking up at the right address without yesterday's memory: the flat is furnished, and you walk
    into every door frame once more.

    ## What happens
    Adam keeps two running averages for each weight and counts its steps; SGD keeps its momentum; a
    schedule knows how far it has lowered the rate. All of that lives in the optimiser and the
    scheduler, not in the model. Where only the weights are loaded the averages start at zero and
    the rate at its peak: the first steps are as rough as those of a fresh run, on weights that
    had become fine.

    ## Symptoms
    - The loss jumps at each resume and needs a while to come back.
    - The printed learning rate is the initial one again.

    ## Causes
    - `optimizer.load_state_dict(...)` is missing although the file holds that state.
    - The optimiser is made anew after loading, or the scheduler is not restored.

    ## When not to worry
    Fine-tuning starts from somebody's weights with an optimiser of its own, on purpose. Only a
    checkpoint whose optimiser had as many tensors and the same settings is taken for a resume,
    and where its rate stayed the same as well it is told as a note.

    ## References
    - torch documentation, Saving and loading a general checkpoint for inference and/or resuming
      training.
    - N. Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems, arXiv 1910.11015.
    """

    family = "loop bug"
    needs = (Resume, Optimizer)
    stands_alone = True
    age: float = limit(
        100,
        why="steps in the lost state: Adam with its usual beta2 of 0.999 has little to lose before",
    )
    drop: float = limit(
        0.5,
        why="of the rate that training goes on with: a schedule that had halved it is thrown back, "
        "which a reader of the loss curve sees",
    )
    prescriptions = (
        Prescription(
            "Load the optimiser's state, too: "
            'optimizer.load_state_dict(checkpoint["optimizer"]), after the model has moved to its '
            "device.",
            "It holds the averages, the step count and the learning rate.",
            "you fine-tune with a fresh optimiser on purpose",
            edits=("restore-state",),
        ),
        Prescription(
            "Save and load the scheduler, the GradScaler and the epoch in the same way.",
            "Otherwise the schedule begins again at its peak.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
classes, steps, resume_at = 8, 480, 470
centres = torch.randn(classes, 3, 2)
labels = torch.randint(0, classes, (2500,))
modes = torch.randint(0, 3, (2500,))
points = centres[labels, modes] + 0.15 * torch.randn(2500, 2)
train_x, train_y, val_x, val_y = points[:2000], labels[:2000], points[2000:], labels[2000:]
loss_fn = nn.CrossEntropyLoss()
file = Path(tempfile.mkdtemp()) / "checkpoint.pt"


def build():
    model = nn.Sequential(
        nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    return model, optimizer


def train(model, optimizer, first, last):
    for step in range(first, last):
        rows = torch.randint(2000, (50,))
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
        if step in (240, 360):
            optimizer.param_groups[0]["lr"] *= 0.1


model, optimizer = build()
train(model, optimizer, 0, resume_at)
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)

model, optimizer = build()  # as if the machine had gone down in between
checkpoint = torch.load(file)
model.load_state_dict(checkpoint["model"])
train(model, optimizer, resume_at, steps)

with torch.no_grad():
    val_loss = loss_fn(model(val_x), val_y).item()
print("RESULT " + json.dumps({"metric": "validation loss", "value": val_loss}))
""",
        cure=(
            (
                'model.load_state_dict(checkpoint["model"])',
                (
                    'model.load_state_dict(checkpoint["model"])\n'
                    'optimizer.load_state_dict(checkpoint["optimizer"])'
                ),
            ),
        ),
        better="lower",
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for fact in run.all(Resume):
            if fact.restored or not fact.same:
                continue
            thrown = fact.lr > 0 and fact.saved_lr <= self.drop * fact.lr
            averages = fact.tensors > 0 and fact.age >= self.age
            if not averages and not (thrown and not fact.age):
                continue  # SGD counts no steps: there it is the rate alone that is lost
            lost = f": {fact.age} steps of running averages are lost." if averages else "."
            rate = (
                f" The rate is {fact.lr:.3g} again, where it had come down to {fact.saved_lr:.3g}."
                if thrown
                else ""
            )
            yield self.finding(
                f"The checkpoint's weights were loaded and its optimiser state was not{lost}{rate}",
                Evidence(
                    "resume",
                    f"the file holds a state for {fact.tensors} tensors of an optimiser with the "
                    "same settings, and no optimizer.load_state_dict() came before the next step",
                    steps=(fact.step, fact.step),
                    value=fact.age if averages else fact.saved_lr,
                    limit=self.age if averages else self.drop * fact.lr,
                ),
                severity="warning" if thrown else "note",
                confidence=0.9,
                exact=True,
                source=fact.source,
                first_step=fact.step,
            )
