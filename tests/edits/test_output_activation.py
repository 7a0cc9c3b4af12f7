"""output-activation: the end of the model, and nothing else, changes."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from penlight.catalogue import pitfall
from penlight.edits import Refused
from penlight.edits.output_activation import OutputActivation
from penlight.edits.scene import Scene
from penlight.edits.training import Training
from penlight.lab import Recorded

TRAIN = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn import Softmax

{model}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
for step in range(3):
    optimizer.zero_grad()
    output = model(torch.randn(16, 4))
    loss = criterion({output}, torch.randint(0, 3, (16,)))
    loss.backward()
    optimizer.step()
"""
NET = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 6)
        self.act = nn.Softmax(dim=1)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        x = torch.softmax(self.hidden(x), dim=1)  # stays
        {forward}


model = Net()"""


def net(forward: str) -> str:
    return NET.format(forward=forward.replace("\n", "\n        "))


STYLES = {
    "function": (net("return F.softmax(self.out(x), dim=1)"), "output", "return F.softmax(self.out(x), dim=1)", "return self.out(x)"),
    "two lines": (net("x = self.out(x)\nx = x.softmax(1)  # sums to 1\nreturn x"), "output", "        x = x.softmax(1)  # sums to 1\n", ""),
    "name": (net("logits = self.out(x)\nreturn logits.softmax(dim=-1)"), "output", "logits.softmax(dim=-1)", "logits"),
    "attribute": (net("return self.act(self.out(x))"), "output", "        self.act = nn.Softmax(dim=1)\n|self.act(self.out(x))", "|self.out(x)"),
    "listed": ("model = nn.Sequential(nn.Linear(4, 6), nn.Softmax(dim=1), nn.Linear(6, 3), nn.Softmax(dim=1))", "output", "(6, 3), nn.Softmax(dim=1)", "(6, 3)"),
    "line": ("model = nn.Sequential(\n    nn.Linear(4, 3),\n    Softmax(dim=1),\n)", "output", "    Softmax(dim=1),\n", ""),
    "appended": ("layers = []\nlayers.append(nn.Linear(4, 3))\nlayers.append(nn.Softmax(1))\nmodel = nn.Sequential(*layers)", "output", "layers.append(nn.Softmax(1))\n", ""),
    "loop": ("model = nn.Linear(4, 3)", "torch.softmax(output, dim=1)", "torch.softmax(output, dim=1)", "output"),
}  # fmt: skip

EVALUATED = """
import torch
import torch.nn as nn
import torch.nn.functional as F

model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(16, 4), torch.randint(0, 3, (16,))
for step in range(3):
    optimizer.zero_grad()
    probs = F.softmax(model(x), dim=1)
    loss = F.cross_entropy(probs, y)
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        held = {held}
        value = F.cross_entropy({given}, y).item()
        sure = F.softmax(model(x), dim=1).max()
"""
HELD = {
    "in the call": ("model(x)", "held.softmax(1)", "held = model(x)", "F.cross_entropy(held, y)"),
    "named": ("model(x).softmax(1)", "held", "held = model(x)", "F.cross_entropy(held, y)"),
}


@pytest.mark.parametrize("style", HELD)
def test_the_evaluation_s_loss_is_given_the_same(scene: Callable[..., Scene], style: str) -> None:
    held, given, *after = HELD[style]

    text = scene(EVALUATED.format(held=held, given=given)).after([OutputActivation("none")])

    code = text.project.text("train.py")
    assert all(line in code for line in ("probs = model(x)\n", *after))
    assert code.count("softmax") == 1  # that of `sure`, which no loss reads


@pytest.mark.parametrize("style", STYLES)
def test_the_softmax_before_a_cross_entropy_goes(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    model, output, old, new = STYLES[style]
    found = scene(TRAIN.format(model=model, output=output))
    double = pitfall("double-softmax")
    assert list(double.detect(found.run))
    wanted = found.project.original("train.py")
    for one, other in zip(old.split("|"), new.split("|"), strict=True):
        assert wanted.count(one) == 1, one
        wanted = wanted.replace(one, other)

    edited = found.after([OutputActivation("none")])

    assert edited.project.text("train.py") == wanted
    assert not list(double.detect(rerun(edited).run))


REGRESSION = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 6)
        self.fc2 = nn.Linear(6, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.fc1(x))
        return self.relu(self.fc2(x))

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(2):
    loss = nn.functional.mse_loss(net(torch.randn(8, 4)), 3 * torch.randn(8, 1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_a_module_with_two_uses_stays_where_it_is_hidden(scene: Callable[..., Scene]) -> None:
    edited = scene(REGRESSION).after([OutputActivation("none")]).project.diff()
    changed = [x[1:].strip() for x in edited.splitlines() if x[:1] in "+-" and x[1:2] not in "+-"]
    assert changed == ["return self.relu(self.fc2(x))", "return self.fc2(x)"]


SINGLE = """
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 1), {act})
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    loss = nn.{loss}(model(torch.randn(16, 4)), torch.randint(0, 2, (16, 1)).float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    hits = (model(torch.randn(9, 4)) > 0.5).sum()
"""


def test_the_softmax_over_one_unit_becomes_a_sigmoid(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(SINGLE.format(act="nn.Softmax(dim=1)", loss="BCELoss()"))
    single = pitfall("single-unit-softmax")
    finding = next(single.detect(found.run))
    edit = next(iter(OutputActivation.propose(found, finding)))
    edited = found.after([edit])
    assert "nn.Linear(4, 1), nn.Sigmoid())" in edited.project.text("train.py")
    assert not list(single.detect(rerun(edited).run))


def test_a_softmax_behind_a_sigmoid_only_goes(scene: Callable[..., Scene]) -> None:
    found = scene(SINGLE.format(act="nn.Sigmoid(), nn.Softmax(dim=1)", loss="BCELoss()"))
    finding = next(pitfall("single-unit-softmax").detect(found.run))
    assert list(OutputActivation.propose(found, finding)) == [OutputActivation("none")]


def test_a_threshold_moves_with_the_sigmoid(scene: Callable[..., Scene]) -> None:
    found = scene(SINGLE.format(act="nn.Sigmoid()", loss="BCEWithLogitsLoss()"))
    text = found.after([OutputActivation("none")]).project.text("train.py")
    assert "nn.Sequential(nn.Linear(4, 1))" in text
    assert "(model(torch.randn(9, 4)) > 0.0)" in text


def test_a_rounded_output_is_left_alone(scene: Callable[..., Scene]) -> None:
    script = SINGLE.format(act="nn.Sigmoid()", loss="BCEWithLogitsLoss()")
    found = scene(
        script.replace("(model(torch.randn(9, 4)) > 0.5)", "model(torch.randn(9, 4)).round()")
    )
    with pytest.raises(Refused, match="rounds"):
        found.after([OutputActivation("none")])


@pytest.mark.parametrize(
    ("model", "new"),
    [
        ("nn.Sequential(nn.Linear(4, 3))", "nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=1))"),
        (
            "nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=-1))",
            "nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=-1))",
        ),
    ],
)
def test_a_missing_log_softmax_is_added(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], model: str, new: str
) -> None:
    script = TRAIN.replace("CrossEntropyLoss", "NLLLoss")
    found = scene(script.format(model=f"model = {model}", output="output"))
    mismatch = pitfall("output-activation-mismatch")
    finding = next(mismatch.detect(found.run))
    edited = found.after([next(iter(OutputActivation.propose(found, finding)))])
    assert f"model = {new}\n" in edited.project.text("train.py")
    assert not list(mismatch.detect(rerun(edited).run))


def test_live_and_source_do_the_same(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    script = SINGLE.format(act="nn.Softmax(dim=1)", loss="BCELoss()").replace(
        "model = nn", "torch.manual_seed(3)\nmodel = nn"
    )
    edited = rerun(scene(script).after([OutputActivation("sigmoid")])).run.series("loss")

    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 1), nn.Softmax(dim=1))
    training = Training(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.BCELoss(), [])
    OutputActivation("sigmoid").live(training)
    losses = []
    for _ in range(3):
        x, y = torch.randn(16, 4), torch.randint(0, 2, (16, 1)).float()
        loss = training.loss(training.model(x), y)
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()
        losses.append(loss.item())
    assert losses == list(edited.values)
