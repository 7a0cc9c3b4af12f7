"""Edits of scripts that move their weights themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.learning_rate import LearningRate
from penlight.edits.scene import Scene
from penlight.edits.swap_optimizer import SwapOptimizer
from penlight.edits.zero_grad import ZeroGrad
from penlight.lab import Recorded

SCRIPT = """
import torch

torch.manual_seed(0)
x = torch.randn(8, 4)
y = x.sum(1, keepdim=True)
w = torch.zeros(4, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
eta = 0.08
config = {{"rate": 0.08}}
{helper}
for step in range(4):
    loss = ((x @ w + b - y) ** 2).mean()
    loss.backward()
{update}
"""
SGD = """
def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad = None
"""
WAYS = {
    "written there": ("w.data -= 0.08 * w.grad\nw.grad = None", "0.08 * w", "0.8 * w"),
    "a name": ("w.data = w.data - eta * w.grad\nw.grad = None", "eta = 0.08", "eta = 0.8"),
    "a config": ("w.data.sub_(w.grad * config['rate'])\nw.grad = None", ": 0.08", ": 0.8"),
    "alpha": ("w.data.add_(w.grad, alpha=-eta)\nw.grad = None", "eta = 0.08", "eta = 0.8"),
    "a batch": ("sgd([w], 0.64, 8)", "0.64", "6.4"),
}


def script(update: str) -> str:
    lines = "\n".join("    " + line for line in update.splitlines())
    return SCRIPT.format(update=lines, helper=SGD if "sgd(" in update else "")


@pytest.mark.parametrize("way", WAYS)
def test_the_rate_is_set_where_it_is_written(scene: Callable[..., Scene], way: str) -> None:
    update, old, new = WAYS[way]
    found = scene(script(update))
    assert found.run.optimizers[0].lr == pytest.approx(0.08, rel=1e-2)
    edited = found.after([LearningRate(0.8)])
    assert edited.project.text("train.py") == script(update).replace(old, new)


def test_the_same_constant_for_two_weights_is_set_once(scene: Callable[..., Scene]) -> None:
    update = "for p in (w, b):\n    p.data -= eta * p.grad\nw.grad = b.grad = None"
    text = scene(script(update)).after([LearningRate(0.01)]).project.text("train.py")
    assert text == script(update).replace("eta = 0.08", "eta = 0.01")


def test_gradients_are_cleared_after_use(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    update = "with torch.no_grad():\n    w -= eta * w.grad\n    b -= eta * b.grad"
    found = scene(script(update))
    assert found.run.hygiene.stale_gradients == 3
    edited = found.after([ZeroGrad()])
    cleared = update.replace("w.grad\n", "w.grad\n    w.grad = None\n") + "\n    b.grad = None"
    assert edited.project.text("train.py") == script(cleared)
    assert not rerun(edited).run.hygiene.stale_gradients


def test_gradients_read_through_their_data_are_cleared(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    update = "w.data = w.data - eta * w.grad.data\nb.data = b.data - eta * b.grad.data"
    edited = scene(script(update)).after([ZeroGrad()])
    cleared = update.replace("\n", "\nw.grad = None\n") + "\nb.grad = None"
    assert edited.project.text("train.py") == script(cleared)
    assert not rerun(edited).run.hygiene.stale_gradients


def test_what_is_not_written_out_is_refused(scene: Callable[..., Scene]) -> None:
    update = "for p in (w, b):\n    p.data = torch.sub(p, p.grad, alpha=eta)"
    found = scene(script(update))
    with pytest.raises(Refused, match="not found"):
        found.after([LearningRate(0.01)])
    with pytest.raises(Refused, match="no statement"):
        found.after([ZeroGrad()])
    with pytest.raises(Refused, match="without an optimiser"):
        found.after([SwapOptimizer("AdamW", 0.001)])
