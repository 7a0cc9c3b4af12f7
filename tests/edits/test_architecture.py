"""Edits of the model's layers: width, bends, norms, ways around, dropout."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.core.facts import NonFinite
from penlight.edits import Refused, parse
from penlight.edits.scene import Scene

TRAIN = """
import torch
import torch.nn as nn
import torch.nn.functional as F

{model}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(2):
    optimizer.zero_grad()
    loss = F.mse_loss(model(torch.randn(8, 4)), torch.rand(8, 1))
    loss.backward()
    optimizer.step()
"""
CLASS = """class Net(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.a = nn.Linear(4, width)
        self.b = nn.Linear(width, width)
        self.c = nn.Linear(width, 1)

    def forward(self, x):
        x = {a}
        x = {b}
        return self.c(x)

HIDDEN = 3
model = Net(HIDDEN)"""
BENT = CLASS.format(a="F.relu(self.a(x))", b="F.relu(self.b(x))")
STRAIGHT = CLASS.format(a="self.a(x)", b="self.b(x)")
SEQUENTIAL = """model = nn.Sequential(
    nn.Linear(4, 3),  # narrow
    nn.ReLU(),
    nn.Linear(3, 5),
    nn.ReLU(),
    nn.Linear(5, 1),
)"""
LINE = (
    "model = nn.Sequential(nn.Linear(4, 1), nn.ReLU(), nn.Linear(1, 9), nn.ReLU(), nn.Linear(9, 1))"
)
CHANNELS = """model = nn.Sequential(
    nn.Unflatten(1, (1, 4)),
    nn.Conv1d(1, 2, 3), nn.ReLU(),
    nn.Conv1d(2, 4, 1), nn.ReLU(),
    nn.Flatten(), nn.Linear(8, 1),
)"""
DEEP = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.head(x)

model = Net()"""
LOOP = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, width) for width in (4, {last}))
        {head}

    def forward(self, x):
        for layer in self.layers:
            {step}
        {back}

model = Net()"""
APPENDED = """class Net(nn.Module):
    def __init__(self, sizes=(4, 8, 8)):
        super().__init__()
        layers = []
        for i in range(3):
            if i > 0:
                layers.append(nn.Dropout(0.1))
            if i < 2:
                layers.append(nn.Linear(sizes[i], sizes[i + 1]))
            else:
                layers.append(nn.Linear(sizes[i], 1))
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)

model = Net()"""
CASES = {
    "widen constant": ("widen=8", BENT, {"HIDDEN = 3": "HIDDEN = 8"}),
    "widen numbers": ("widen=8", SEQUENTIAL, {"nn.Linear(4, 3)": "nn.Linear(4, 8)", "nn.Linear(3, 5)": "nn.Linear(8, 8)", "nn.Linear(5, 1)": "nn.Linear(8, 1)"}),
    "widen on one line": ("widen=8", LINE, {"4, 1), nn.ReLU(), nn.Linear(1, 9), nn.ReLU(), nn.Linear(9, 1)": "4, 8), nn.ReLU(), nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 1)"}),
    "widen channels": ("widen=8", CHANNELS, {"1, 2, 3": "1, 8, 3", "2, 4, 1": "8, 4, 1"}),
    "bends in class": ("add-nonlinearity", STRAIGHT, {"x = self.a(x)": "x = torch.relu(self.a(x))", "x = self.b(x)": "x = torch.relu(self.b(x))"}),
    "bend missing once": ("add-nonlinearity", CLASS.format(a="self.a(x).tanh()", b="self.b(x)"), {"x = self.b(x)": "x = torch.relu(self.b(x))"}),
    "bend of the next line": ("add-nonlinearity", CLASS.format(a="self.a(x)\n        x = F.relu(x)", b="self.b(x)"), {"x = self.b(x)": "x = torch.relu(self.b(x))"}),
    "bends in list": ("add-nonlinearity", SEQUENTIAL.replace("    nn.ReLU(),\n    nn.Linear(3", "    nn.Linear(3"), {"  # narrow\n": "  # narrow\n    nn.ReLU(),\n"}),
    "bends in a loop": ("add-nonlinearity", LOOP.format(last=4, head="self.head = nn.Linear(4, 1)", step="x = layer(x)", back="return self.head(x)"), {"x = layer(x)": "x = torch.relu(layer(x))"}),
    "bends in what is appended": ("add-nonlinearity", APPENDED, {"layers.append(nn.Linear(sizes[i], sizes[i + 1]))\n": "layers.append(nn.Linear(sizes[i], sizes[i + 1]))\n                layers.append(nn.ReLU())\n"}),
    "loop to the end": ("add-nonlinearity", LOOP.format(last=1, head="", step="x = layer(x)", back="return x"), {
        "in self.layers:\n            x = layer(x)": "in self.layers[:-1]:\n            x = torch.relu(layer(x))\n        x = self.layers[-1](x)"}),
    "norms in class": ("insert-norm=LayerNorm", BENT, {
        "self.a = nn.Linear(4, width)\n": "self.a = nn.Linear(4, width)\n        self.a_norm = nn.LayerNorm(width)\n",
        "self.b = nn.Linear(width, width)\n": "self.b = nn.Linear(width, width)\n        self.b_norm = nn.LayerNorm(width)\n",
        "F.relu(self.a(x))": "F.relu(self.a_norm(self.a(x)))", "F.relu(self.b(x))": "F.relu(self.b_norm(self.b(x)))"}),
    "norms in list": ("insert-norm=BatchNorm1d", SEQUENTIAL, {"  # narrow\n": "  # narrow\n    nn.BatchNorm1d(3),\n", "    nn.Linear(3, 5),\n": "    nn.Linear(3, 5),\n    nn.BatchNorm1d(5),\n"}),
    "way around": ("residual", DEEP, {"x = torch.tanh(layer(x))": "x = x + torch.tanh(layer(F.layer_norm(x, x.shape[-1:])))"}),
    "dropout in class": ("dropout=0.2", BENT, {"F.relu(self.a(x))": "F.dropout(F.relu(self.a(x)), 0.2, training=self.training)", "F.relu(self.b(x))": "F.dropout(F.relu(self.b(x)), 0.2, training=self.training)"}),
    "dropout layer": ("dropout=0.2", CLASS.format(a="self.drop(self.a(x))", b="self.b(x)").replace("        self.b =", "        self.drop = nn.Dropout(0.7)\n        self.b ="), {"nn.Dropout(0.7)": "nn.Dropout(0.2)"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_change_is_this_one(scene: Callable[..., Scene], case: str) -> None:
    edit, model, pairs = CASES[case]
    found = scene(TRAIN.format(model=model))
    wanted = found.project.original("train.py")
    for old, new in pairs.items():
        assert wanted.count(old) == 1, old
        wanted = wanted.replace(old, new)

    edited = found.after([parse(edit)]).project.text("train.py")

    assert edited == wanted
    scene(edited)


def test_the_run_sees_wider_layers_with_norms(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(model=BENT))
    text = found.after([parse("widen=16"), parse("insert-norm=LayerNorm")]).project.text("train.py")
    modules = scene(text).run.modules
    assert [m.type for m in modules] == ["Linear", "LayerNorm", "Linear", "LayerNorm", "Linear"]
    assert modules[0].settings["out_features"] == 16


REFUSED = {
    "widen=2": "units already",
    "add-nonlinearity": "no two layers",
    "residual": "in a loop",
    "dropout=0": "no dropout",
}


def test_refusals_say_why(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(model=BENT))
    for edit, why in REFUSED.items():
        with pytest.raises(Refused, match=why):
            found.after([parse(edit)])


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("x = layer(x)\n            x = x.sigmoid()", "no two layers"),
        ("x = layer(x)\n            print()", "more than one"),
    ],
)
def test_a_loop_that_bends_or_does_more_is_left_alone(
    scene: Callable[..., Scene], step: str, why: str
) -> None:
    model = LOOP.format(last=1, head="", step=step, back="return x")
    with pytest.raises(Refused, match=why):
        scene(TRAIN.format(model=model)).after([parse("add-nonlinearity")])


FINITE = """
import torch
from torch import nn

def distance(a, b):
    return {expression}

model = nn.Linear(2, 2)
points = torch.ones(6, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    loss = distance(model(points), model(points)).mean()
    loss.backward()
    optimizer.step()
"""
EDGES = {
    "torch.sqrt(((a - b) ** 2).sum(1))": "torch.sqrt(((a - b) ** 2).sum(1) + 1e-8)",
    "((a - b) ** 2).sum(1).sqrt()": "(((a - b) ** 2).sum(1) + 1e-8).sqrt()",
    "-torch.log((a - b).abs())": "-torch.log((a - b).abs() + 1e-8)",
    "(a - b) / (a - b).abs()": "(a - b) / ((a - b).abs() + 1e-8)",
    "torch.pow(((a - b) ** 2).sum(1), 0.5)": "torch.pow(((a - b) ** 2).sum(1) + 1e-8, 0.5)",
    "(a - b).square().sum(1) ** 0.5": "((a - b).square().sum(1) + 1e-8) ** 0.5",
}


@pytest.mark.parametrize("expression", EDGES)
def test_edges_are_kept_away_from(scene: Callable[..., Scene], expression: str) -> None:
    found = scene(FINITE.format(expression=expression))
    text = found.after([parse("keep-finite")]).project.text("train.py")
    assert text == found.project.original("train.py").replace(expression, EDGES[expression])
    assert found.run.last(NonFinite) is not None
    assert scene(text).run.last(NonFinite) is None


def test_the_operation_is_known_though_nothing_is_called_a_loss(
    scene: Callable[..., Scene],
) -> None:
    script = """
import torch
from torch import nn

class Colour(nn.Module):
    def forward(self, a, b):
        width, scale = a.shape[1], a.shape[1] ** 0.5
        scale = scale * width ** -0.5
        return scale * (a - b).square().sum(1).pow(0.5).mean()

model, colour = nn.Linear(4, 2), Colour()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(8, 4)

def total(x):
    return colour(model(x), model(x))

for step in range(3):
    optimizer.zero_grad()
    value = total(x)
    value.backward()
    optimizer.step()
"""
    edited = scene(script).after([parse("keep-finite")]).project.text("train.py")
    old = "(a - b).square().sum(1).pow(0.5)"
    assert edited == script.replace(old, "((a - b).square().sum(1) + 1e-8).pow(0.5)")


def test_edges_in_the_forward_of_a_loss_class(scene: Callable[..., Scene]) -> None:
    script = """
import torch
from torch import nn

class ContrastiveLoss(nn.Module):
    def forward(self, a, b):
        return (a - b).square().sum(1).sqrt().mean()

model, criterion = nn.Linear(4, 2), ContrastiveLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(8, 4)
for step in range(3):
    optimizer.zero_grad()
    loss = criterion(model(x), model(x))
    loss.backward()
    optimizer.step()
"""
    edited = scene(script).after([parse("keep-finite")]).project.text("train.py")
    old = "(a - b).square().sum(1).sqrt()"
    assert edited == script.replace(old, "((a - b).square().sum(1) + 1e-8).sqrt()")
