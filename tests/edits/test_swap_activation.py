"""swap-activation: hidden layers get another bend, whatever way they are written in."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.edits.swap_activation import SwapActivation

TRAIN = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn import Sigmoid

{model}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(2):
    optimizer.zero_grad()
    loss = F.mse_loss(model(torch.randn(8, 4)), torch.rand(8, 1))
    loss.backward()
    optimizer.step()
"""
NET = """class Net(nn.Module):
    def __init__(self, act=nn.Sigmoid):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 1)
        self.act = act()

    def forward(self, x):
        {forward}

model = Net({given})"""


def net(forward: str, given: str = "") -> str:
    return NET.format(forward=forward.replace("\n", "\n        "), given=given)


STYLES = {
    "sequential": ("model = nn.Sequential(nn.Linear(4, 5), nn.Sigmoid(), nn.Linear(5, 1), nn.Sigmoid())", "(4, 5), nn.Sigmoid()", "(4, 5), nn.ReLU()"),
    "bare name": ("model = nn.Sequential(nn.Linear(4, 5), Sigmoid(), nn.Linear(5, 1))", "import Sigmoid|, Sigmoid()", "import Sigmoid, ReLU|, ReLU()"),
    "loop": ("layers = []\nfor i in range(3):\n    layers += [nn.Linear(4, 4), nn.Tanh()]  # deep\nmodel = nn.Sequential(*layers, nn.Linear(4, 1))", "nn.Tanh()", "nn.ReLU()"),
    "class": (net("x = torch.sigmoid(self.a(x))\nx = F.sigmoid(self.b(x))\nreturn torch.sigmoid(self.c(x))"), "x = torch.sigmoid(self.a|x = F.sigmoid(self.b|act=nn.Sigmoid", "x = torch.relu(self.a|x = F.relu(self.b|act=nn.ReLU"),
    "method": (net("return self.c(self.b(self.a(x).tanh()).sigmoid()).sigmoid()"), "(x).tanh()).sigmoid()|act=nn.Sigmoid", "(x).relu()).relu()|act=nn.ReLU"),
    "attribute": (net("return self.c(self.act(self.b(self.act(self.a(x)))))"), "act=nn.Sigmoid", "act=nn.ReLU"),
    "gate stays": (net("gate = torch.sigmoid(self.a(x))\nreturn self.c(gate * torch.tanh(self.b(gate)))"), "torch.tanh(|act=nn.Sigmoid", "torch.relu(|act=nn.ReLU"),
    "registry": ('ACT = {"tanh": nn.Tanh, "relu": nn.ReLU}\nCONFIG = {"act": "tanh", "width": 5}\nmodel = nn.Sequential(nn.Linear(4, 5), ACT[CONFIG["act"]](), nn.Linear(5, 1))', '"act": "tanh"', '"act": "relu"'),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_only_hidden_activations_change(scene: Callable[..., Scene], style: str) -> None:
    model, old, new = STYLES[style]
    found = scene(TRAIN.format(model=model))
    wanted = found.project.original("train.py")
    for one, other in zip(old.split("|"), new.split("|"), strict=True):
        assert one in wanted
        wanted = wanted.replace(one, other, 1)

    edited = found.after([SwapActivation("ReLU")])

    assert edited.project.text("train.py") == wanted
    again = scene(wanted)
    kinds = [m.type for m in again.run.modules]
    assert kinds.count("Sigmoid") <= 1
    assert "Tanh" not in kinds


def test_gelu_is_taken_from_functional_and_has_no_inplace(scene: Callable[..., Scene]) -> None:
    layers = "nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 1)"
    found = scene(TRAIN.format(model=f"model = nn.Sequential({layers})"))
    text = found.after([SwapActivation("GELU")]).project.text("train.py")
    assert "nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 1)" in text

    model = net("return self.c(torch.relu(self.a(x)))").replace("act=nn.Sigmoid", "act=nn.Identity")
    found = scene(TRAIN.format(model=model))
    text = found.after([SwapActivation("GELU")]).project.text("train.py")
    assert "self.c(F.gelu(self.a(x)))" in text
    scene(text)


def test_nothing_to_swap_is_refused(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(model="model = nn.Linear(4, 1)"))
    with pytest.raises(Refused, match="No hidden activation"):
        found.after([SwapActivation("ReLU")])
