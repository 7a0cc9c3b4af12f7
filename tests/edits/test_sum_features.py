"""sum-features: a reconstruction error that is summed as the KL term beside it is."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.edits.sum_features import SumFeatures
from penlight.lab import Recorded

TRAIN = """
import torch
import torch.nn.functional as F
from torch import nn

x = torch.rand(24, 4)
model = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = {loss}
for b in x.split(8):
    optimizer.zero_grad()
    out = model(b)
    kl = (out - 0.5).square().sum()
    {total}
    loss.backward()
    optimizer.step()
"""
STYLES = {
    "function": ("sum", "None", "loss = F.mse_loss(out, b) + kl", "(out, b) +", '(out, b, reduction="sum") +'),
    "averaged over rows": ("mean", "None", "loss = F.mse_loss(out, b) + kl", "(out, b) +", '(out, b, reduction="sum") / len(b) +'),
    "weighted": ("mean", "None", "loss = 2 * F.mse_loss(out, b) + kl", "F.mse_loss(out, b)", '(F.mse_loss(out, b, reduction="sum") / len(b))'),
    "module": ("sum", "nn.BCELoss()", "loss = criterion(out, b) + kl", "BCELoss()", 'BCELoss(reduction="sum")'),
    "named mean": ("sum", 'nn.BCELoss(reduction="mean")', "loss = criterion(out, b) + kl", '"mean"', '"sum"'),
    "module, by rows": ("mean", "nn.MSELoss()", "rec = criterion(out, b)\n    loss = rec + kl", "MSELoss()|criterion(out, b)", 'MSELoss(reduction="sum")|criterion(out, b) / len(b)'),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_error_is_summed(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    rows, loss, total, old, new = STYLES[style]
    found = scene(TRAIN.format(loss=loss, total=total))
    wanted = found.project.original("train.py")
    for one, other in zip(old.split("|"), new.split("|"), strict=True):
        assert wanted.count(one) == 1, one
        wanted = wanted.replace(one, other)

    edited = found.after([SumFeatures(rows)])

    assert edited.project.text("train.py") == wanted
    objective = rerun(edited).run.objective
    assert objective is not None
    assert objective.reduction == "sum"


def test_a_sum_is_left_alone(scene: Callable[..., Scene]) -> None:
    found = scene(
        TRAIN.format(loss="nn.MSELoss(reduction='sum')", total="loss = criterion(out, b) + kl")
    )
    with pytest.raises(Refused, match="no mean any more"):
        found.after([SumFeatures("sum")])
