"""match-shapes: a loss that broadcasts compares each prediction with its own label."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.catalogue import pitfall
from penlight.edits.match_shapes import MatchShapes
from penlight.edits.scene import Scene
from penlight.lab import Recorded

TRAIN = """
import warnings

import torch
from torch import nn
import torch.nn.functional as F

warnings.simplefilter("ignore")
x, y = torch.randn(12, 4), torch.randn(12)
model = nn.Sequential(nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.MSELoss()


def loss_fn(pred, target):
    return ((pred - target) ** 2).mean()


for step in range(3):
    optimizer.zero_grad()
    scale = model(x) / 2
    {loss}
    loss.backward()
    optimizer.step()
"""
STYLES = {
    "module": ("loss = criterion(model(x), y)", "criterion(model(x), y)", "criterion(model(x).squeeze(-1), y)"),
    "function": ("out = model(x)\n    loss = F.mse_loss(out, y)", "(out, y)", "(out.squeeze(-1), y)"),
    "target": ("loss = F.mse_loss(model(x)[:, 0], y.unsqueeze(1))", "y.unsqueeze(1)", "y"),
    "by hand": ("out = model(x)\n    loss = torch.mean((y - out) ** 2)", "(y - out)", "(y - out.squeeze(-1))"),
    "error": ("error = model(x) - y\n    loss = error.pow(2).mean()", "model(x) - y", "model(x).squeeze(-1) - y"),
    "likelihood": ("out = model(x)\n    loss = (0.5 * scale + (y - out) ** 2 / scale.exp()).mean()", "(y - out)", "(y.unsqueeze(-1) - out)"),
    "another name": ("compare = F.mse_loss\n    loss = compare(model(x), y)", "compare(model(x), y)", "compare(model(x).squeeze(-1), y)"),
    "own function": ("loss = loss_fn(model(x), y)", "(pred - target)", "(pred.squeeze(-1) - target)"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_shapes_agree(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    loss, old, new = STYLES[style]
    found = scene(TRAIN.format(loss=loss))
    broadcast = pitfall("loss-broadcast")
    assert list(broadcast.detect(found.run))
    text = found.project.original("train.py")
    assert text.count(old) == 1

    edited = found.after([MatchShapes()])

    assert edited.project.text("train.py") == text.replace(old, new)
    assert not list(broadcast.detect(rerun(edited).run))
