"""shuffle, same-order, unscale, output dropout, hidden-relu, class-dim: one place changes."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
import pytest

from penlight.edits import Edit, Refused
from penlight.edits.class_dim import ClassDim
from penlight.edits.drop_output_dropout import DropOutputDropout
from penlight.edits.hidden_relu import HiddenRelu
from penlight.edits.move_dropout import MoveDropout
from penlight.edits.same_order import SameOrder
from penlight.edits.scene import Scene
from penlight.edits.shuffle import Shuffle
from penlight.edits.unscale import Unscale
from penlight.lab import Recorded

HEAD = """
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

x, y = torch.randn(24, 4), torch.arange(24) // 8
"""
LOADER = (
    HEAD
    + """
loader = DataLoader(TensorDataset(x, y), {options})
test_loader = DataLoader(TensorDataset(x, y), batch_size=8)
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for xb, yb in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(xb), yb).backward()
        optimizer.step()
"""
)
OWN_SAMPLER = """
class Part(torch.utils.data.Sampler):
    def __init__(self, data, shuffle=False):
        self.count, self.mixed = len(data), shuffle

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter((torch.randperm(self.count) if self.mixed else torch.arange(self.count)).tolist())


loader = """
ROWS = (
    HEAD
    + """
model = {model}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for i in range(0, 24, 8):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[i:i + 8]), y[i:i + 8])
        loss.backward()
        optimizer.step()
"""
)
PLAIN = "nn.Linear(4, 3)"
SEPARATE = ROWS.replace(
    "model = {model}",
    """a, b = x.numpy(), y.numpy()
rng = np.random.default_rng(0)
a = rng.permutation(a)
b = rng.permutation(b)
x, y = torch.tensor(a), torch.tensor(b)
model = nn.Linear(4, 3)""",
)
SCALED = (
    HEAD
    + """
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cpu")
for epoch in range(2):
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(model(x), y)).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
"""
)
CALLED = ROWS.replace(
    "model = {model}",
    """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        {forward}


model = Net()""",
)
STYLES: dict[str, tuple[Edit, str, str, str]] = {
    "loader": (Shuffle(), LOADER.format(options="batch_size=8"), "loader = DataLoader(TensorDataset(x, y), batch_size=8)\ntest", "loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)\ntest"),
    "torch's sampler": (Shuffle(), LOADER.format(options="batch_size=8, sampler=torch.utils.data.SequentialSampler(x)"), "SequentialSampler", "RandomSampler"),
    "own sampler": (Shuffle(), LOADER.format(options="batch_size=8, sampler=Part(x)").replace("loader = ", OWN_SAMPLER, 1), "sampler=Part(x)", "sampler=Part(x, shuffle=True)"),
    "own sampler, named": (Shuffle(), LOADER.format(options="batch_size=8, sampler=part").replace("loader = ", OWN_SAMPLER.replace("loader", "part = Part(x, shuffle=False)\nloader"), 1), "Part(x, shuffle=False)", "Part(x, shuffle=True)"),
    "loader says no": (Shuffle(), LOADER.format(options="batch_size=8, shuffle=False"), "shuffle=False", "shuffle=True"),
    "slices": (Shuffle(), ROWS.format(model=PLAIN), "    for i in|x[i:i + 8]|y[i:i + 8]", "    order = torch.randperm(24)\n    for i in|x[order[i:i + 8]]|y[order[i:i + 8]]"),
    "two orders": (SameOrder(), SEPARATE, "a = rng.permutation(a)\nb = rng.permutation(b)", "order = rng.permutation(len(a))\na = a[order]\nb = b[order]"),
    "scaler": (Unscale(), SCALED, "    torch.nn.utils", "    scaler.unscale_(optimizer)\n    torch.nn.utils"),
    "dropout": (DropOutputDropout(), ROWS.format(model="nn.Sequential(nn.Dropout(0.1), nn.Linear(4, 3), nn.Dropout(0.5))"), ", nn.Dropout(0.5)", ""),
    "moved": (MoveDropout(), ROWS.format(model="nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Dropout(0.5))"), "nn.Linear(5, 3), nn.Dropout(0.5)", "nn.Dropout(0.5), nn.Linear(5, 3)"),
    "moved line": (MoveDropout(), ROWS.format(model="nn.Sequential(\n    nn.ReLU(),\n    nn.Linear(4, 3),\n    nn.Dropout(0.5),\n)"), "    nn.Linear(4, 3),\n    nn.Dropout(0.5),\n", "    nn.Dropout(0.5),\n    nn.Linear(4, 3),\n"),
    "moved call": (MoveDropout(), CALLED.format(forward="return self.drop(self.out(torch.relu(x)))"), "self.drop(self.out(torch.relu(x)))", "self.out(self.drop(torch.relu(x)))"),
    "moved statement": (MoveDropout(), CALLED.format(forward="x = self.out(x)\n        x = self.drop(x)\n        return x"), "self.out(x)\n        x = self.drop(x)\n", "self.out(self.drop(x))\n"),
    "hidden": (HiddenRelu(), ROWS.format(model="nn.Sequential(nn.Linear(4, 5), nn.Softmax(dim=1), nn.Linear(5, 3))"), "nn.Softmax(dim=1)", "nn.ReLU()"),
    "batch": (ClassDim(), ROWS.format(model="nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=0))").replace("F.cross_entropy", "F.nll_loss"), "dim=0", "dim=1"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_one_place_changes(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    edit, script, old, new = STYLES[style]
    found = scene(script)
    wanted = found.project.original("train.py")
    for one, other in zip(old.split("|"), new.split("|"), strict=True):
        assert wanted.count(one) == 1, one
        wanted = wanted.replace(one, other)

    edited = found.after([edit])

    assert edited.project.text("train.py") == wanted
    rerun(edited)


@pytest.mark.parametrize(
    "edit",
    [SameOrder(), Unscale(), DropOutputDropout(), MoveDropout(), HiddenRelu(), ClassDim()],
    ids=str,
)
def test_nothing_to_do_is_said(scene: Callable[..., Scene], edit: Edit) -> None:
    with pytest.raises(Refused):
        scene(ROWS.format(model=PLAIN)).after([edit])


def test_a_sampler_that_draws_is_left_alone(scene: Callable[..., Scene]) -> None:
    script = LOADER.format(options="batch_size=8, sampler=torch.utils.data.RandomSampler(x)")
    with pytest.raises(Refused, match="order from a sampler"):
        scene(script).after([Shuffle()])


def test_a_change_that_puts_back_what_stood_there_is_none(scene: Callable[..., Scene]) -> None:
    found = scene(ROWS.format(model=PLAIN))
    source = found.source("train.py")
    loop = next(source.all(cst.For))
    assert found.project.edited([source.replace(loop.iter, source.code(loop.iter))]).texts == {}
    assert found.project.edited([source.replace(loop.iter, "range(1)")]).texts
