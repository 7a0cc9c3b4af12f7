"""keep-graph: the gradient reaches the layers again."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.keep_graph import KeepGraph
from penlight.edits.scene import Scene
from penlight.lab import Recorded

TRAIN = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(4, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        {forward}


model = Net()
optimizer = torch.optim.Adam(model.parameters())
total = 0.0
for step in range(3):
    optimizer.zero_grad()
    y = torch.randint(0, 2, (8,))
    loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), y){after}
    loss.backward()
    optimizer.step()
    total += loss.detach()
with torch.no_grad():
    kept = model(torch.randn(8, 4)).detach()
"""
WHOLE = "return self.head(self.encoder(x))"
NO_GRAD = "with torch.no_grad():\n            h = self.encoder(x)  # features\n            h = torch.relu(h)\n        return self.head(h)"
STYLES = {
    "detach": ("return self.head(self.encoder(x).detach())", "", "self.encoder(x).detach()", "self.encoder(x)"),
    "statement": ("h = self.encoder(x)\n        h = h.detach()\n        return self.head(h)", "", "        h = h.detach()\n", ""),
    "data": ("h = torch.relu(self.encoder(x))\n        return self.head(h.data)", "", "h.data", "h"),
    "no grad": (NO_GRAD, "", "        with torch.no_grad():\n            h = self.encoder(x)  # features\n            h = torch.relu(h)\n", "        h = self.encoder(x)  # features\n        h = torch.relu(h)\n"),
    "loss anew": (WHOLE, "\n    loss = torch.tensor(loss.item(), requires_grad=True)", "    loss = torch.tensor(loss.item(), requires_grad=True)\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_cut_goes_and_the_rest_stays(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    forward, after, old, new = STYLES[style]
    found = scene(TRAIN.format(forward=forward, after=after))
    assert not all(p.reached for p in found.run.parameters)
    text = found.project.original("train.py")
    assert text.count(old) == 1

    edited = found.after([KeepGraph()])

    assert edited.project.text("train.py") == text.replace(old, new)
    assert all(p.reached for p in rerun(edited).run.parameters)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("torch.round(self.head(self.encoder(x)))", "self.head(self.encoder(x))"),
        ("self.head(self.encoder(x).sign())", "self.head(self.encoder(x))"),
    ],
)
def test_the_rounding_goes(scene: Callable[..., Scene], before: str, after: str) -> None:
    found = scene(TRAIN.format(forward=f"return {before}", after=""))
    edited = found.after([KeepGraph()])
    assert edited.script.text == found.script.text.replace(before, after)


def test_bookkeeping_is_no_cut(scene: Callable[..., Scene]) -> None:
    with pytest.raises(Refused, match="no place"):
        scene(TRAIN.format(forward=WHOLE, after="")).after([KeepGraph()])


COMPUTED = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.weight = nn.Parameter(torch.randn(2, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        {written}
        return self.head(x).relu()


model = Net()
optimizer = torch.optim.Adam(model.parameters())
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(torch.randn(8, 4)), torch.randn(8, 2))
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "written",
    [
        "self.head.weight.data = (self.weight * self.scale).data",
        "self.head.weight.data = (self.weight * self.scale).detach()",
        "self.head.weight = nn.Parameter(self.weight * self.scale)",
    ],
)
def test_weights_that_forward_computes(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], written: str
) -> None:
    edited = scene(COMPUTED.format(written=written)).after([KeepGraph()])
    text = edited.project.text("train.py")
    assert "        new_weight = (self.weight * self.scale)\n" in text.replace(
        "= self.weight * self.scale\n", "= (self.weight * self.scale)\n"
    )
    called = 'torch.func.functional_call(self.head, {"weight": new_weight}, (x,)).relu()'
    assert f"        return {called}\n" in text
    reached = {p.name: p.reached for p in rerun(edited).run.parameters}
    assert reached["scale"]
    assert reached["weight"]
    assert reached["head.bias"]


def test_a_layer_called_twice_with_computed_weights(scene: Callable[..., Scene]) -> None:
    twice = COMPUTED.replace("self.head(x)", "self.head(x) + self.head(-x)")
    written = "self.head.weight.data = self.weight.data"
    with pytest.raises(Refused, match="is not called once there"):
        scene(twice.format(written=written)).after([KeepGraph()])


PENALTY = """
import numpy as np
import torch
from torch import nn

signals = np.random.normal(size=(40, 6))
signals = torch.tensor(signals, dtype=torch.float32)
model = nn.Linear(6, 6)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def roughness(layer):
    w = layer.weight.data
    return (w[1:] - w[:-1]).abs().sum()


for rows in torch.arange(40).split(10):
    x = signals[rows]
    loss = nn.functional.mse_loss(model(x), x) + 0.01 * roughness(model)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.weight.data.clamp_(min=0)
"""


def test_tensors_that_are_made_of_the_data_stay(scene: Callable[..., Scene]) -> None:
    edited = scene(PENALTY).after([KeepGraph()]).project.text("train.py")
    assert edited == PENALTY.replace("layer.weight.data", "layer.weight")


GAN = """
import torch
from torch import nn

torch.manual_seed(0)
maker = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
anchor = torch.randn(8, 2)


def train():
    mover_c = torch.optim.Adam(critic.parameters(), lr=1e-3)
    mover_m = torch.optim.Adam(maker.parameters(), lr=1e-3)
    for step in range(30):
        mover_c.zero_grad()
        fake = maker(torch.randn(32, 4))
        (critic(fake.detach()).mean() - critic(torch.randn(32, 2)).mean()).backward()
        mover_c.step()
        mover_m.zero_grad()
        fake = maker(torch.randn(32, 4))
        loss = -critic(fake.detach()).mean(){more}
        loss.backward()
        mover_m.step()


train()
"""


@pytest.mark.parametrize("more", ["", " + nn.functional.mse_loss(maker(torch.ones(8, 4)), anchor)"])
def test_of_two_models_that_take_turns_only_one_is_given_the_graph(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], more: str
) -> None:
    script = GAN.format(more=more)
    edited = scene(script).after([KeepGraph()])
    before, after = "-critic(fake.detach())", "-critic(fake)"
    assert edited.project.text("train.py") == script.replace(before, after)
    again = rerun(edited).run
    assert not again.hygiene.idle_terms
    assert not again.hygiene.empty_steps
