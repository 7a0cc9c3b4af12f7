"""eval-mode and dropout-training: dropout is off while the model is judged."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Edit, Refused
from penlight.edits.dropout_training import DropoutTraining
from penlight.edits.eval_mode import EvalMode
from penlight.edits.scene import Scene
from penlight.lab import Recorded

TRAIN = """
import torch
import torch.nn.functional as F
from torch import nn

x, y = torch.randn(40, 4), torch.randint(0, 2, (40,))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.b({drop}(self.a(x){p}))


{evaluate}


model = Net()
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(3):
    {train}for rows in torch.randperm(40).split(20):
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    {judge}
"""
BLOCK = "with torch.no_grad():\n        loss = F.cross_entropy(model(x), y)"
FUNCTION = (
    "def judge(net, x):\n    with torch.no_grad():\n        return F.cross_entropy(net(x), y)"
)
DECORATED = '@torch.no_grad()\ndef judge(net, x):\n    """Loss on x."""\n    return F.cross_entropy(net(x), y)'
MODE = "model.train()\n    "
MODULE, FUNCTIONAL = ("self.drop", ""), ("F.dropout", ", 0.5")
STYLES: dict[str, tuple[Edit, tuple[str, str], str, str, str, str, str]] = {
    "block": (EvalMode(), MODULE, "", MODE, BLOCK, "    with torch", "    model.eval()\n    with torch"),
    "no modes": (EvalMode(), MODULE, "", "", BLOCK, "    for rows| with torch", "    model.train()\n    for rows| model.eval()\n    with torch"),
    "function": (EvalMode(), MODULE, FUNCTION, MODE, "judge(model, x)", "    with torch", "    net.eval()\n    with torch"),
    "decorated": (EvalMode(), MODULE, DECORATED, MODE, "judge(model, x)", '    return F.cross', '    net.eval()\n    return F.cross'),
    "functional": (DropoutTraining(), FUNCTIONAL, "", MODE, "model.eval()\n    " + BLOCK, "(x), 0.5)", "(x), 0.5, training=self.training)"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_evaluations_switch_dropout_off(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    edit, (drop, p), evaluate, train, judge, old, new = STYLES[style]
    found = scene(TRAIN.format(drop=drop, p=p, evaluate=evaluate, train=train, judge=judge))
    seen = found.run.hygiene
    assert seen.eval_training_mode or seen.eval_functional_dropout
    wanted = found.project.original("train.py")
    for one, other in zip(old.split("|"), new.split("|"), strict=True):
        assert wanted.count(one) == 1, one
        wanted = wanted.replace(one, other)

    edited = found.after([edit])

    assert edited.project.text("train.py") == wanted
    after = rerun(edited).run.hygiene
    assert not any((after.eval_training_mode, after.eval_functional_dropout, after.train_eval_mode))


def test_nothing_to_do_is_said(scene: Callable[..., Scene]) -> None:
    whole = TRAIN.format(
        drop="self.drop", p="", evaluate="", train=MODE, judge="model.eval()\n    " + BLOCK
    )
    with pytest.raises(Refused):
        scene(whole).after([EvalMode()])
