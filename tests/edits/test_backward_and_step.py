"""take-step and run-backward: a loop that lacks one of its two calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.diagnosis import diagnose
from penlight.edits import Refused
from penlight.edits.run_backward import RunBackward
from penlight.edits.scene import Scene
from penlight.edits.take_step import TakeStep
from penlight.lab import Recorded

SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 4)
y = (x[:, 0] > 0).long()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
scheduler = None
total_loss = 0


def train():
    for rows in torch.arange(200).split(20):
        optimizer.zero_grad()
        batch_loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
{rest}


for epoch in range(6):
    train()
print((model(x).argmax(1) == y).float().mean().item())
"""


def written(*lines: str) -> str:
    return SCRIPT.format(rest="\n".join(f"        {line}" for line in lines))


WHOLE = written("batch_loss.backward()", "optimizer.step()")


def prescribed(scene: Scene) -> list[str]:
    (finding,) = (f for f in diagnose(scene.run).alarms if f.role == "cause")
    return [name for p in finding.prescriptions for name in p.edits]


def test_a_step_where_none_is_taken(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(written("batch_loss.backward()"))
    assert prescribed(found) == ["take-step"]
    edited = found.after([TakeStep()])
    assert edited.project.text("train.py") == WHOLE
    assert float(rerun(edited).printed) > 0.9 > float(rerun(found).printed)


@pytest.mark.parametrize(
    ("rest", "left"),
    [
        (["if scheduler:", "    optimizer.step()"], ["if scheduler:", "    pass"]),
        (
            ["if not scheduler:", "    y.sum()", "else:", "    optimizer.step()"],
            ["if not scheduler:", "    y.sum()"],
        ),
    ],
)
def test_a_step_under_a_condition_that_never_holds(
    scene: Callable[..., Scene], rest: list[str], left: list[str]
) -> None:
    edited = scene(written("batch_loss.backward()", *rest)).after([TakeStep()])
    whole = written("batch_loss.backward()", "optimizer.step()", *left)
    assert edited.project.text("train.py") == whole


def test_nothing_is_done_to_a_whole_loop(scene: Callable[..., Scene]) -> None:
    found = scene(WHOLE)
    with pytest.raises(Refused, match="already"):
        found.after([TakeStep()])
    with pytest.raises(Refused, match="already"):
        found.after([RunBackward()])


def test_two_losses_are_not_chosen_from(scene: Callable[..., Scene]) -> None:
    found = scene(written("other_loss = batch_loss * 2", "optimizer.step()"))
    with pytest.raises(Refused, match="Which value is the loss"):
        found.after([RunBackward()])


def test_gradients_where_none_are_computed(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(written("optimizer.step()"))
    (finding,) = diagnose(found.run).alarms
    assert finding.pitfall == "gradient-cut"
    assert "backward() is never called" in finding.says
    assert prescribed(found) == ["run-backward"]
    edited = found.after([RunBackward()])
    assert edited.project.text("train.py") == WHOLE
    assert float(rerun(edited).printed) > 0.9
