"""right-sign: a training that climbs is turned around, where its author went wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.right_sign import RightSign
from penlight.edits.scene import Scene
from penlight.lab import Recorded

SCRIPT = """
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
x = torch.randn(60, 4)
y = (x.sum(1) > 0).long()
rows = torch.arange(60)
net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1{maximize})
criterion = nn.CrossEntropyLoss()


def negative(out, y):
    return -F.cross_entropy(out, y)


def judged(out, y):
    return(-F.multi_margin_loss(out, y))


def likelihood(out, y):
    logs = F.log_softmax(out, 1)
    return logs[rows, y].mean()


for step in range(30):
    optimizer.zero_grad()
{loss}
    optimizer.step()
"""
OWN = """
import torch

torch.manual_seed(0)
x = torch.randn(60, 4)
y = x.sum(1, keepdim=True)
w = torch.randn(4, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lr = 0.02
for step in range(30):
    loss = ((x @ w + b - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
{update}
    w.grad = b.grad = None
"""
CALL = "criterion(net(x), y)"
WAYS = {
    "before the call": (f"loss = -{CALL}\nloss.backward()", f"-{CALL}", CALL),
    "at backward": (f"loss = {CALL}\n(-loss).backward()", "(-loss).backward", "loss.backward"),
    "in between": (f"loss = {CALL}\nloss = -loss\nloss.backward()", "    loss = -loss\n", ""),
    "returned in parentheses": ("judged(net(x), y).backward()", "(-F.mul", "(F.mul"),
    "in a function": ("negative(net(x), y).backward()", "-F.cross", "F.cross"),
    "by hand": (
        "loss = F.log_softmax(net(x), 1)[rows, y].mean()\nloss.backward()",
        "loss = F.log",
        "loss = -F.log",
    ),
    "by hand, in a function": (
        "loss = likelihood(net(x), y)\nloss.backward()",
        "return logs",
        "return -logs",
    ),
    "by hand, at once": (
        "F.log_softmax(net(x), 1)[rows, y].mean().backward()",
        "F.log_softmax(net(x), 1)[rows, y].mean().b",
        "(-F.log_softmax(net(x), 1)[rows, y].mean()).b",
    ),
    "by hand, a product": (
        "p = net(x).softmax(1)\nloss = torch.log(p[rows, y]).sum() / 60\nloss.backward()",
        "torch.log(p[rows, y]).sum() / 60",
        "-(torch.log(p[rows, y]).sum() / 60)",
    ),
}
MOVES = {
    "+=": ("w += lr * w.grad\nb += lr * b.grad", "+=", "-="),
    "a sum": ("w.data = w + lr * w.grad\nb.data = b + lr * b.grad", " + lr", " - lr"),
    "add_": ("w.add_(lr * w.grad)\nb.add_(b.grad, alpha=lr)", "add_", "sub_"),
}


def script(lines: str, maximize: str = "") -> str:
    return SCRIPT.format(maximize=maximize, loss=indented(lines, 4))


def indented(lines: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in lines.splitlines())


def falls(recorded: Recorded) -> bool:
    values = recorded.run.series("loss").values
    return bool(0 < values[-1] < values[0])


@pytest.mark.parametrize("way", WAYS)
def test_the_minus_is_put_where_it_belongs(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], way: str
) -> None:
    lines, old, new = WAYS[way]
    found = scene(script(lines))
    edited = found.after([RightSign()])
    assert edited.project.text("train.py") == script(lines).replace(old, new)
    if way in ("in between", "by hand, a product"):  # each run takes seconds
        assert falls(rerun(edited))


def test_an_optimiser_that_maximises(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    lines = f"loss = {CALL}\nloss.backward()"
    edited = scene(script(lines, ", maximize=True")).after([RightSign()])
    assert edited.project.text("train.py") == script(lines)
    assert falls(rerun(edited))


@pytest.mark.parametrize("way", MOVES)
def test_an_update_of_ones_own(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], way: str
) -> None:
    update, old, new = MOVES[way]
    text = OWN.format(update=indented(update, 8))
    edited = scene(text).after([RightSign()])
    assert edited.project.text("train.py") == text.replace(old, new)
    assert way != "add_" or falls(rerun(edited))


def test_a_loss_without_a_minus_is_refused(scene: Callable[..., Scene]) -> None:
    with pytest.raises(Refused, match="no minus") as told:
        scene(script(f"loss = {CALL}\nloss.backward()")).after([RightSign()])
    assert "not on its negative" in told.value.instruction
