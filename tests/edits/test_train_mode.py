"""train-mode: what is learnt from is computed in training mode."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.edits.train_mode import TrainMode
from penlight.lab import Recorded

TRAIN = """
import torch
import torch.nn.functional as F
from torch import nn

x, y = torch.randn(40, 4), torch.randint(0, 2, (40,))
model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
optimizer = torch.optim.Adam(model.parameters())


def validate():
    model.eval()
    with torch.no_grad():
        return F.cross_entropy(model(x), y)


for epoch in range(3):
    for i, rows in enumerate(torch.randperm(40).split(20)):
        if i == 0:
            validate()
        optimizer.zero_grad()
{step}
        loss.backward()
        optimizer.step()
"""
STYLES = {
    "one line": "        loss = F.cross_entropy(model(x[rows]), y[rows])",
    "two lines": "        output = model(x[rows])  # logits\n        loss = F.cross_entropy(output, y[rows])",
    "block": "        with torch.enable_grad():\n            loss = F.cross_entropy(model(x[rows]), y[rows])",
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_training_goes_on_in_training_mode(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    found = scene(TRAIN.format(step=STYLES[style]))
    before = found.run.hygiene
    assert before.train_eval_mode == before.train_forwards > 0

    edited = found.after([TrainMode()])

    text = found.project.original("train.py")
    assert edited.project.text("train.py") == text.replace(
        STYLES[style], f"        model.train()\n{STYLES[style]}"
    )
    after = rerun(edited).run.hygiene
    assert (after.train_eval_mode, after.fresh_norms) == (0, ())


def test_nothing_to_do_is_said(scene: Callable[..., Scene]) -> None:
    step = "        model.train()\n" + STYLES["one line"]
    with pytest.raises(Refused):
        scene(TRAIN.format(step=step)).after([TrainMode()])
