"""unfreeze: the output layer that an optimiser holds in vain learns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.edits.unfreeze import Unfreeze
from penlight.lab import Recorded

TRAIN = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.fc(torch.relu(self.body(x)))


model = Net()
{freeze}
optimizer = torch.optim.Adam({given}.parameters(), lr=0.01)
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
    loss.requires_grad_() if not loss.requires_grad else None
    loss.backward()
    optimizer.step()
"""
HEAD = "model.fc.requires_grad_(False)"


@pytest.mark.parametrize("given", ["model", "model.fc"])
def test_the_head_learns(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], given: str
) -> None:
    found = scene(TRAIN.format(freeze=HEAD, given=given))
    text = found.project.original("train.py")

    edited = found.after([Unfreeze()])

    line = "optimizer = torch"
    wanted = text.replace(line, f"model.fc.requires_grad_(True)\n{line}")
    assert edited.project.text("train.py") == wanted
    after = rerun(edited).run.parameters
    assert all(p.requires_grad and p.reached for p in after if p.module == "fc")


def test_nothing_to_do_is_said(scene: Callable[..., Scene]) -> None:
    with pytest.raises(Refused):
        scene(TRAIN.format(freeze="", given="model")).after([Unfreeze()])
