"""scale-once: the second of two divisions goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.core.finding import Evidence, Finding
from penlight.edits import Refused
from penlight.edits.scale_once import ScaleOnce
from penlight.edits.scene import Scene
from penlight.lab import Recorded

TRAIN = """
import torch
from torch import nn

x = torch.randint(0, 256, (64, 16)).float() / 255.0
y = (x.mean(1) > 0.5).long()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 2)

    def forward(self, x):
        {forward}


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""
STYLES = {
    "statement": ("x = x / 255.0\n        return self.layer(x)", "return self.layer(x)"),
    "expression": ("return self.layer(x / 255.)", "return self.layer(x)"),
}


@pytest.mark.parametrize("style", STYLES)
def test_the_second_division_goes(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    before, after = STYLES[style]
    edited = scene(TRAIN.format(forward=before)).after([ScaleOnce()])
    assert edited.project.text("train.py") == TRAIN.format(forward=after)
    assert rerun(edited).run.inputs[0].max > 0.9


@pytest.mark.parametrize(
    "forward", ["return self.layer(x)", "return self.layer(x / 128)", "return self.layer(x / 2)"]
)
def test_one_division_stays(scene: Callable[..., Scene], forward: str) -> None:
    with pytest.raises(Refused, match="No second division"):
        scene(TRAIN.format(forward=forward)).after([ScaleOnce()])


def test_only_for_inputs_that_are_tiny(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(forward="return self.layer(x / 255)"))
    for value, count in ((0.001, 1), (80.0, 0)):
        finding = Finding("input-scale", "", evidence=(Evidence("inputs", "", value=value),))
        assert len(list(ScaleOnce.propose(found, finding))) == count
