"""The two faces of an edit agree: edited script and edited training give the same losses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from penlight.edits import parse
from penlight.edits.scene import Scene
from penlight.edits.training import Training
from penlight.lab import record

SCRIPT = """
import json
import torch
from torch import nn

torch.manual_seed(0)
x, y = 5 * torch.randn(40, 4) + 3, torch.randn(40, 1)
model = nn.Sequential(
    nn.Linear(4, 8), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)
)
optimizer = torch.optim.{optimizer}(model.parameters(), lr=0.1, weight_decay=0.01)
loss_fn = nn.MSELoss()
losses = []
for epoch in range(4):
    for rows in torch.arange(40).split(10):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
print(json.dumps(losses))
"""
EDITS = {
    "learning-rate=0.01": "SGD",
    "weight-decay=0.5": "SGD",
    "decay-groups": "SGD",
    "betas=0.9": "Adam",
    "epsilon=0.1": "Adam",
    "clip-gradients=0.01": "SGD",
    "swap-optimizer=Adam,0.01": "SGD",
    "swap-optimizer=SGD,0.01": "Adam",
    "warmup=7": "SGD",
    "dropout=0.1": "SGD",
    "swap-activation=ReLU": "SGD",
    "swap-activation=LeakyReLU": "SGD",
    "standardise-inputs": "SGD",
    "standardise-targets": "SGD",
}


def trained(optimizer: str, edit: str) -> list[float]:
    """The losses of the script's training, made in memory and edited there."""
    torch.manual_seed(0)
    x, y = 5 * torch.randn(40, 4) + 3, torch.randn(40, 1)
    model = nn.Sequential(
        nn.Linear(4, 8), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)
    )
    mover = getattr(torch.optim, optimizer)(model.parameters(), lr=0.1, weight_decay=0.01)
    batches: list[tuple[Tensor, Tensor]] = list(zip(x.split(10), y.split(10), strict=True))
    training = Training(model, mover, nn.MSELoss(), batches)
    parse(edit).live(training)
    losses = []
    for _ in range(4):
        for inputs, targets in training.batches:
            training.optimizer.zero_grad()
            loss = training.loss(training.model(inputs), targets)
            loss.backward()
            for act in training.before_step:
                act(training)
            training.optimizer.step()
            for act in training.after_step:
                act(training)
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("edit", EDITS)
def test_source_and_live_give_the_same_losses(
    scene: Callable[..., Scene], tmp_path: Path, edit: str
) -> None:
    script = SCRIPT.replace("{optimizer}", EDITS[edit])
    found = scene(script)
    plain = json.loads(record(tmp_path / "train.py").printed.splitlines()[-1])

    scene(found.after([parse(edit)]).project.text("train.py"))

    edited = json.loads(record(tmp_path / "train.py").printed.splitlines()[-1])
    assert edited == trained(EDITS[edit], edit)
    assert edited != plain
