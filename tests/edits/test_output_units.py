"""output-units: one output for each class, whatever the script does with the one it had."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from penlight.edits import Refused
from penlight.edits.output_units import OutputUnits
from penlight.edits.scene import Scene
from penlight.edits.training import Training
from penlight.lab import Recorded

SCRIPT = """
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(30, 4)
y = {labels}


class Net(nn.Module):
    def __init__(self, n_out=1):
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.head = nn.Linear({head})

    def forward(self, x):
        return {output}


model = {model}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = {loss}
for rows in torch.arange(30).split(10):
    optimizer.zero_grad()
    loss = {call}
    loss.backward()
    optimizer.step()
with torch.no_grad():
    print(criterion and criterion(model(x), y))
    answer = {decision}
    print((answer == y).float().mean().item())
"""
LIST = "nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())"
FLAT, COLUMN = "(torch.arange(30) % 3).float()", "(torch.arange(30) % 3).float().unsqueeze(1)"
BCE, CALL = "nn.BCEWithLogitsLoss()", "criterion(model(x[rows]), y[rows])"
# labels, head, output, model, loss, call, decision, what changes
BY_HAND = """None
def by_hand(p, t):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(t * p.log() + (1 - t) * (1 - p).log()).mean()"""
SHARES = """None
def by_hand(p, t):
    p = (p / p.sum(dim=1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    return -(t * torch.log(p)).sum(dim=1).mean()"""
STYLES: dict[str, tuple[str, str, str, str, str, str, str, dict[str, str]]] = {
    "shares of one by hand": (
        COLUMN, "8, 1", "torch.sigmoid(self.head(self.body(x)))", "Net()", SHARES, "by_hand(model(x[rows]), y[rows])", "(model(x) > 0.5).long()",
        {"Linear(8, 1)": "Linear(8, 3)", "torch.sigmoid(self.head(self.body(x)))": "self.head(self.body(x))",
         "loss = by_hand(model(x[rows]), y[rows])": "loss = F.cross_entropy(model(x[rows]), y[rows].squeeze(1).long())", "(model(x) > 0.5).long()": "model(x).argmax(1, keepdim=True)"},
    ),
    "a loss by hand": (
        COLUMN, "8, 1", "torch.sigmoid(self.head(self.body(x)))", "Net()", BY_HAND, "by_hand(model(x[rows]), y[rows])", "model(x).round()",
        {"Linear(8, 1)": "Linear(8, 3)", "torch.sigmoid(self.head(self.body(x)))": "self.head(self.body(x))",
         "loss = by_hand(model(x[rows]), y[rows])": "loss = F.cross_entropy(model(x[rows]), y[rows].squeeze(1).long())", "model(x).round()": "model(x).argmax(1, keepdim=True)"},
    ),
    "squeeze in the class": (
        FLAT, "8, 1", "self.head(torch.relu(self.body(x))).squeeze(1)", "Net()", BCE, CALL, "(model(x) > 0).float()",
        {"Linear(8, 1)": "Linear(8, 3)", "(x))).squeeze(1)": "(x)))", "nn.BCEWithLogitsLoss()": "nn.CrossEntropyLoss()",
         "y[rows])\n": "y[rows].long())\n", "criterion(model(x), y)": "criterion(model(x), y.long())", "(model(x) > 0).float()": "model(x).argmax(1).float()"},
    ),
    "sigmoid in a list": (
        COLUMN, "8, 1", "x", LIST, "nn.MSELoss()", "criterion(model(x[rows]), y[rows])", "(model(x) > 0.5).long()",
        {"Linear(8, 1), nn.Sigmoid())": "Linear(8, 3))", "nn.MSELoss()": "nn.CrossEntropyLoss()", "y[rows])\n": "y[rows].squeeze(1).long())\n",
         "criterion(model(x), y)": "criterion(model(x), y.squeeze(1).long())", "(model(x) > 0.5).long()": "model(x).argmax(1, keepdim=True)"},
    ),
    "sigmoid and squeeze, a parameter": (
        FLAT, "8, n_out", "torch.sigmoid(self.head(self.body(x)).squeeze())", "Net()", "nn.MSELoss()", CALL, "model(x).round()",
        {"n_out=1": "n_out=3", "torch.sigmoid(self.head(self.body(x)).squeeze())": "self.head(self.body(x))", "nn.MSELoss()": "nn.CrossEntropyLoss()",
         "y[rows])\n": "y[rows].long())\n", "criterion(model(x), y)": "criterion(model(x), y.long())", "model(x).round()": "model(x).argmax(1)"},
    ),
    "at the loss, whole numbers": (
        "torch.arange(30) % 3", "8, 1", "self.head(self.body(x))", "Net()", "None",
        "F.binary_cross_entropy_with_logits(model(x[rows])[:, 0], y[rows].float())", "(torch.sigmoid(model(x)[:, 0]) >= 0.5)",
        {"Linear(8, 1)": "Linear(8, 3)", "F.binary_cross_entropy_with_logits(model(x[rows])[:, 0], y[rows].float())": "F.cross_entropy(model(x[rows]), y[rows].long())",
         "(torch.sigmoid(model(x)[:, 0]) >= 0.5)": "model(x).argmax(1)"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_every_class_gets_an_output(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    labels, head, output, model, loss, call, decision, pairs = STYLES[style]
    found = scene(
        SCRIPT.format(
            labels=labels, head=head, output=output, model=model, loss=loss, call=call, decision=decision
        )
    )  # fmt: skip
    wanted = found.project.original("train.py")
    for old, new in pairs.items():
        assert wanted.count(old) == 1, old
        wanted = wanted.replace(old, new)

    (edit,) = OutputUnits.propose(found, None)  # type: ignore[arg-type]
    assert edit == OutputUnits(3)
    edited = found.after([edit])

    assert edited.project.text("train.py") == wanted
    again = rerun(edited)
    objective = again.run.objective
    assert objective is not None
    assert objective.function == "cross_entropy"
    assert objective.input_shape == (10, 3)
    assert 0 <= float(again.printed.splitlines()[-1]) <= 1
    with pytest.raises(Refused, match="already"):
        Scene(edited.project, again.run).after([edit])


def test_too_many_units_become_fewer(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    script = SCRIPT.format(
        labels="torch.arange(30) % 3", head="8, 40", output="self.head(self.body(x))", model="Net()",
        loss="nn.CrossEntropyLoss()", call=CALL, decision="model(x).argmax(1)",
    )  # fmt: skip
    edited = scene(script).after([OutputUnits(3)])
    assert edited.project.text("train.py") == script.replace("Linear(8, 40)", "Linear(8, 3)")
    assert rerun(edited).run.module("head").output_shape == (10, 3)  # type: ignore[union-attr]


def test_a_layer_built_in_a_loop_is_left_alone(scene: Callable[..., Scene]) -> None:
    script = SCRIPT.format(
        labels=FLAT, head="8, 1", output="x", loss=BCE, call="criterion(model(x[rows])[:, 0], y[rows])",
        model="nn.Sequential(*[nn.Linear(a, b) for a, b in ((4, 8), (8, 1))])", decision="y",
    ).replace("criterion and criterion(model(x), y)", "0")  # fmt: skip
    with pytest.raises(Refused):
        scene(script).after([OutputUnits(3)])


def test_the_live_face_trains_the_new_layer() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(12, 4), (torch.arange(12) % 3).float().unsqueeze(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    training = Training(model, optimizer, nn.BCELoss(), [(x, y)])
    OutputUnits(3).live(training)
    assert model(x).shape == (12, 3)
    before = training.loss(model(x), y)
    for _ in range(60):
        optimizer.zero_grad()
        training.loss(model(x), y).backward()
        optimizer.step()
    assert training.loss(model(x), y) < before / 2
    with pytest.raises(Refused, match="already"):
        OutputUnits(3).live(training)
