"""initialise and small-head: wrong initialisations corrected, missing ones added."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.initialise import Initialise
from penlight.edits.scene import Scene
from penlight.edits.small_head import SmallHead
from penlight.lab import Recorded
from penlight.pitfalls.symmetric_init import SymmetricInit

TRAIN = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 6), nn.{act}(), nn.Linear(6, 2))
{init}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(2):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
"""
ADDED = """for module in model.modules():
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
optimizer ="""
HE = 'nonlinearity="relu")'
STYLES = {
    "added": ("ReLU", "", "optimizer =", ADDED),
    "constant": ("ReLU", "for m in (model[0], model[2]):\n    nn.init.constant_(m.weight, 0.05)  # why not", "nn.init.constant_(m.weight, 0.05)", f"nn.init.kaiming_normal_(m.weight, {HE}"),
    "bias": ("ReLU", "nn.init.constant_(model[0].bias, -8.0)", "nn.init.constant_(model[0].bias, -8.0)", "nn.init.zeros_(model[0].bias)"),
    "tanh": ("Tanh", "nn.init.normal_(model[0].weight, std=4.0)", "nn.init.normal_(model[0].weight, std=4.0)", "nn.init.xavier_normal_(model[0].weight, gain=5 / 3)"),
    "method": ("ReLU", "model[0].weight.data.fill_(0.1)", "model[0].weight.data.fill_(0.1)", f"nn.init.kaiming_normal_(model[0].weight, {HE}"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_scheme_fits_and_nothing_else_changes(scene: Callable[..., Scene], style: str) -> None:
    act, init, old, new = STYLES[style]
    found = scene(TRAIN.format(act=act, init=init))
    text = found.project.original("train.py")
    assert text.count(old) == 1

    edited = found.after([Initialise()]).project.text("train.py")

    assert edited == text.replace(old, new)
    again = scene(edited)
    weight = next(p for p in again.run.parameters if p.name.endswith("0.weight"))
    assert 0.2 < weight.std < 1.5
    assert not weight.equal_rows


def test_pretrained_weights_are_left_alone(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(act="ReLU", init="model.load_state_dict(model.state_dict())"))
    with pytest.raises(Refused, match="pretrained"):
        found.after([Initialise()])


def test_a_fitting_scheme_is_no_change(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(act="ReLU", init="nn.init.kaiming_normal_(model[0].weight)"))
    assert not found.after([Initialise()]).project.diff()


def test_small_head(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(act="ReLU", init="nn.init.normal_(model[2].weight, std=10.0)"))
    assert found.run.objective is not None
    assert found.run.objective.first_loss is not None
    assert found.run.objective.first_loss > 2

    text = found.after([SmallHead()]).project.text("train.py")

    assert "nn.init.normal_(model[2].weight, std=0.01)" in text
    again = scene(text).run.objective
    assert again is not None
    assert again.first_loss is not None
    assert again.first_loss < 1


def test_a_small_head_is_counted_from_the_end(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(act="ReLU", init=""))
    text = found.after([SmallHead()]).project.text("train.py")
    assert "nn.init.normal_(model[-1].weight, std=0.01)" in text
    assert "nn.init.zeros_(model[-1].bias)" in text


def test_a_model_that_is_one_layer_is_its_own_head(scene: Callable[..., Scene]) -> None:
    net = "nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))"
    found = scene(TRAIN.format(act="ReLU", init="").replace(net, "nn.Linear(4, 2)"))
    assert "nn.init.normal_(model.weight, std=0.01)" in (
        found.after([SmallHead()]).project.text("train.py")
    )


BARE = """
import torch

torch.manual_seed(0)
x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
w1 = {first}
b1 = torch.zeros(6, requires_grad=True)
w2 = torch.zeros(6, 3, requires_grad=True)
optimizer = torch.optim.SGD([w1, b1, w2], lr=0.1)
for step in range(30):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(torch.sigmoid(x @ w1 + b1) @ w2, y)
    loss.backward()
    optimizer.step()
"""
ZEROS = "torch.zeros(8, 6, requires_grad=True)"


def test_weights_without_a_layer_that_are_all_the_same(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(BARE.format(first=ZEROS))
    (told,) = SymmetricInit().detect(found.run)
    assert "All 6 units of w1 start equal, and w2 weighs them all with zero" in told.says

    edited = found.after([Initialise()])

    drawn = "torch.nn.init.xavier_normal_(torch.empty({})).requires_grad_()"
    wanted = BARE.format(first=drawn.format("8, 6"))
    assert edited.script.text == wanted.replace(
        "torch.zeros(6, 3, requires_grad=True)", drawn.format("6, 3")
    )
    assert not list(SymmetricInit().detect(rerun(edited).run))


@pytest.mark.parametrize(
    "first",
    ["torch.randn(8, 6, requires_grad=True)", f"{ZEROS}; w1.data[:, 0] = 1"],
)
def test_weights_without_a_layer_that_differ(scene: Callable[..., Scene], first: str) -> None:
    assert not list(SymmetricInit().detect(scene(BARE.format(first=first)).run))


def test_a_bias_that_tells_equal_units_apart(scene: Callable[..., Scene]) -> None:
    script = BARE.format(first=ZEROS).replace("torch.zeros(6, req", "torch.randn(6, req")
    assert not any(found.exact for found in SymmetricInit().detect(scene(script).run))
