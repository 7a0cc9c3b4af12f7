"""output-activation: a block that ends in an activation and is the last layer, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import parse
from penlight.edits.scene import Scene
from penlight.lab import Recorded
from penlight.pitfalls.output_activation_mismatch import OutputActivationMismatch

TRAIN = """
import torch
from torch import nn
from torch.nn import functional as F


class Dense(nn.Module):
    def __init__(self, wide, tall):
        super().__init__()
        self.w = nn.Parameter(0.3 * torch.randn(wide, tall))
        self.b = nn.Parameter(torch.zeros(tall))

    def forward(self, x):
        {forward}


model = nn.Sequential(Dense(4, 16), Dense(16, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(96, 4)
y = (x[:, :3] + 0.1 * torch.randn(96, 3)).argmax(1)
for step in range(40):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
"""
FORMS = {
    "assigned": (
        "act = F.relu(x @ self.w + self.b)\n        return act",
        (
            "act = x @ self.w + self.b\n        if self.activate:\n"
            "            act = F.relu(act)\n        return act"
        ),
    ),
    "returned": (
        "return torch.relu(x @ self.w + self.b)",
        "return torch.relu(x @ self.w + self.b) if self.activate else x @ self.w + self.b",
    ),
    "again": (
        "x = x @ self.w + self.b\n        x = F.relu(x)\n        return x",
        "x = x @ self.w + self.b\n        x = F.relu(x) if self.activate else x\n        return x",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_last_block_ends_bare(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], form: str
) -> None:
    before, after = FORMS[form]
    found = scene(TRAIN.format(forward=before))
    assert list(OutputActivationMismatch().detect(found.run))

    edited = found.after([parse("output-activation=none")])

    wanted = TRAIN.format(forward=after)
    wanted = wanted.replace("wide, tall):", "wide, tall, activate=True):")
    wanted = wanted.replace("__init__()\n", "__init__()\n        self.activate = activate\n")
    assert edited.script.text == wanted.replace("Dense(16, 3)", "Dense(16, 3, activate=False)")
    assert not list(OutputActivationMismatch().detect(rerun(edited).run))


def test_a_block_that_is_used_once_loses_its_activation(scene: Callable[..., Scene]) -> None:
    script = TRAIN.format(forward="return torch.relu(x @ self.w + self.b)")
    script = script.replace("Dense(4, 16), ", "nn.Linear(4, 16), nn.Tanh(), ")
    edited = scene(script).after([parse("output-activation=none")])
    assert edited.script.text == script.replace(
        "torch.relu(x @ self.w + self.b)", "x @ self.w + self.b"
    )
