"""optimise-all and module-list: no weight that the loss needs is left out."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from penlight.edits import Edit, Refused
from penlight.edits.module_list import ModuleList
from penlight.edits.optimise_all import OptimiseAll
from penlight.edits.scene import Scene
from penlight.edits.training import Training
from penlight.lab import Recorded

TRAIN = """
import torch
from torch import nn
{imports}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {layers}
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        {forward}
        return self.out(x)


{build}
for step in range(2):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy({output}, torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
"""
LOOP = "for layer in self.layers:\n            x = torch.relu(layer(x))"
BODY = ("self.body = nn.Linear(4, 4)", "x = torch.relu(self.body(x))")
ADAM = "model = Net()\noptimizer = torch.optim.Adam(model.parameters())"
ONE, TWO = "model(torch.randn(8, 4))", "head(model(torch.randn(8, 4)))"
# edit, layers, forward, build, output, (old, new)...
STYLES: dict[str, tuple[Edit, str, str, str, str, str, str]] = {
    "list": (ModuleList(), "self.layers = [nn.Linear(4, 4), nn.Linear(4, 4)]", LOOP, ADAM, ONE, "[nn.Linear(4, 4), nn.Linear(4, 4)]", "nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])"),
    "comprehension": (ModuleList(), "self.layers = [nn.Linear(4, 4) for _ in range(2)]", LOOP, ADAM, ONE, "[nn.Linear(4, 4) for _ in range(2)]", "nn.ModuleList(nn.Linear(4, 4) for _ in range(2))"),
    "filled": (ModuleList(), "self.layers = []\n        for i in range(2):\n            self.layers.append(nn.Linear(4, 4))", LOOP, ADAM, ONE, "= []", "= nn.ModuleList()"),
    "pairs": (ModuleList(), "self.layers = []\n        for i in range(2):\n            self.layers.append([nn.Linear(4, 4), nn.Tanh()])", "for layer, act in self.layers:\n            x = act(layer(x))", ADAM, ONE, "= []\n        for i in range(2):\n            self.layers.append([nn.Linear(4, 4), nn.Tanh()])", "= nn.ModuleList()\n        for i in range(2):\n            self.layers.append(nn.ModuleList([nn.Linear(4, 4), nn.Tanh()]))"),
    "local": (ModuleList(), "layers = [nn.Linear(4, 4)]\n        self.layers = layers", LOOP, ADAM, ONE, "self.layers = layers", "self.layers = nn.ModuleList(layers)"),
    "dict": (ModuleList(), 'self.layers = {"a": nn.Linear(4, 4)}', 'x = self.layers["a"](x)', ADAM, ONE, '{"a": nn.Linear(4, 4)}', 'nn.ModuleDict({"a": nn.Linear(4, 4)})'),
    "part": (OptimiseAll(), *BODY, "model = Net()\noptimizer = torch.optim.Adam(model.out.parameters())", ONE, "(model.out.parameters())", "(model.parameters())"),
    "parts": (OptimiseAll(), *BODY, "model = Net()\nparams = list(model.out.parameters())\noptimizer = torch.optim.SGD(params, lr=0.1)", ONE, "= list(model.out.parameters())", "= model.parameters()"),
    "groups": (OptimiseAll(), *BODY, 'model = Net()\noptimizer = torch.optim.SGD([{"params": model.out.parameters(), "lr": 0.5}], lr=0.1)', ONE, '"lr": 0.5}]', '"lr": 0.5}, {"params": model.body.parameters()}]'),
    "group forgotten": (OptimiseAll(), *BODY, 'model, groups = Net(), []\ngroup = {"params": list(model.out.parameters())}\ngroups.append(group)\ngroup = {"params": list(model.body.parameters()), "lr": 0.5}\noptimizer = torch.optim.SGD(groups, lr=0.1)', ONE, "\noptimizer = torch.optim.SGD(groups, lr=0.1)", "\ngroups.append(group)\noptimizer = torch.optim.SGD(groups, lr=0.1)"),
    "second model": (OptimiseAll(), *BODY, "model, head = Net(), nn.Linear(2, 2)\nhead = nn.Linear(2, 2)\noptimizer = torch.optim.Adam(model.parameters())", TWO, "Adam(model.parameters())", "Adam([*model.parameters(), *head.parameters()])"),
    "used later": (OptimiseAll(), *BODY, "model = Net()\noptimizer = torch.optim.Adam(model.parameters(), lr=0.1)\ndef clear():\n    optimizer.zero_grad()\nmodel.out = nn.Linear(4, 2)", ONE, "optimizer = torch.optim.Adam(model.parameters(), lr=0.1)\ndef clear():\n    optimizer.zero_grad()\nmodel.out = nn.Linear(4, 2)", "def clear():\n    optimizer.zero_grad()\nmodel.out = nn.Linear(4, 2)\noptimizer = torch.optim.Adam(model.parameters(), lr=0.1)"),
    "too early": (OptimiseAll(), *BODY, "model = Net()\noptimizer = torch.optim.Adam(model.parameters(), lr=0.1)\nmodel.out = nn.Linear(4, 2)", ONE, "optimizer = torch.optim.Adam(model.parameters(), lr=0.1)\nmodel.out = nn.Linear(4, 2)", "model.out = nn.Linear(4, 2)\noptimizer = torch.optim.Adam(model.parameters(), lr=0.1)"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_optimiser_holds_everything(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    edit, layers, forward, build, output, old, new = STYLES[style]
    script = TRAIN.format(imports="", layers=layers, forward=forward, build=build, output=output)
    found = scene(script)
    assert any(p.reached and not p.optimised for p in found.run.parameters)
    text = found.project.original("train.py")
    assert text.count(old) == 1

    edited = found.after([edit])

    assert edited.project.text("train.py") == text.replace(old, new)
    after = rerun(edited).run.parameters
    assert all(p.optimised and p.registered for p in after if p.reached)


def test_a_loose_tensor_becomes_a_parameter(scene: Callable[..., Scene]) -> None:
    layers = "self.scale = torch.ones(4, requires_grad=True)"
    found = scene(
        TRAIN.format(
            imports="", layers=layers, forward="x = x * self.scale", build=ADAM, output=ONE
        )
    )
    text = found.after([ModuleList()]).project.text("train.py")
    assert "self.scale = nn.Parameter(torch.ones(4))\n" in text


def test_nothing_to_do_is_said(scene: Callable[..., Scene]) -> None:
    script = TRAIN.format(imports="", layers=BODY[0], forward=BODY[1], build=ADAM, output=ONE)
    found = scene(script)
    for edit in (OptimiseAll(), ModuleList()):
        with pytest.raises(Refused):
            found.after([edit])


class Hidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(3, 3)]
        self.out = nn.Linear(3, 1)


def test_live_faces_add_what_is_missing() -> None:
    model = Hidden()
    optimizer = torch.optim.SGD(model.out.parameters(), lr=0.1)
    training = Training(model, optimizer, nn.MSELoss(), [])
    ModuleList().live(training)
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    assert {id(p) for p in model.parameters()} == held
    assert len(list(model.parameters())) == 4
    with pytest.raises(Refused):
        OptimiseAll().live(training)


COPIED = """
import torch
from torch import nn

x, y = torch.randn(64, 4), torch.randn(64, 1)


def fit(model, optimizer):
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


first = nn.Linear(4, 1)
optimizer = torch.optim.SGD(first.parameters(), lr=0.1)
fit(first, optimizer)
second = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
optimizer = torch.optim.SGD({given}, lr=0.1)
fit(second, optimizer)
"""


def test_a_copied_line_gives_the_optimiser_of_the_second_model_the_first_one(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(COPIED.replace("{given}", "first.parameters()"))
    edited = found.after([OptimiseAll()])
    assert edited.script.text == COPIED.replace("{given}", "second.parameters()")
    assert all(p.optimised for p in rerun(edited).run.parameters)


def test_two_optimisers_of_which_none_is_a_copy(scene: Callable[..., Scene]) -> None:
    given = "nn.Linear(4, 1).parameters()"
    with pytest.raises(Refused, match="2 optimisers"):
        scene(COPIED.replace("{given}", given)).after([OptimiseAll()])


TWO_MODELS = """
import torch
from torch import nn

x, y = torch.randn(64, 4), torch.randn(64, 1)
encoder = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
decoder = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
first = torch.optim.SGD({encoder}, lr=0.1)
second = torch.optim.SGD({decoder}, lr=0.1)
for _ in range(5):
    first.zero_grad()
    second.zero_grad()
    nn.functional.mse_loss(decoder(encoder(x)), y).backward()
    first.step()
    second.step()
"""
WHOLE = {"encoder": "encoder.parameters()", "decoder": "decoder.parameters()"}


@pytest.mark.parametrize(
    "given",
    [
        {**WHOLE, "decoder": "decoder[2].parameters()"},
        {name: f"list({name}.parameters())[-2:]" for name in WHOLE},
    ],
)
def test_each_of_several_optimisers_gets_what_its_model_lacks(
    scene: Callable[..., Scene], given: dict[str, str]
) -> None:
    edited = scene(TWO_MODELS.format(**given)).after([OptimiseAll()])
    assert edited.script.text == TWO_MODELS.format(**WHOLE)


MADE_AGAIN = """
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(64, 4), torch.randn(64, 1)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{again}
for _ in range(30):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
"""


@pytest.mark.parametrize("around", ["", "nn.Sequential(model, "])
def test_the_optimiser_of_a_model_that_was_made_again(
    scene: Callable[..., Scene], around: str
) -> None:
    made = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    new = f"{around}nn.Linear(1, 1))" if around else "nn.Linear(4, 1)"
    text = MADE_AGAIN.format(again=f'model = {new}.to("cpu")')
    edited = scene(text).after([OptimiseAll()])
    moved = text.replace(made, "").replace('.to("cpu")\n', f'.to("cpu")\n{made}')
    assert edited.project.text("train.py") == moved


def test_another_model_of_the_same_name_is_not_added_to_itself(
    scene: Callable[..., Scene],
) -> None:
    again = "for model in [nn.Linear(4, 1)]:\n    pass"
    with pytest.raises(Refused, match="earlier one"):
        scene(MADE_AGAIN.format(again=again)).after([OptimiseAll()])


def test_an_optimiser_that_is_used_in_between_stays(scene: Callable[..., Scene]) -> None:
    build = "model = Net()\noptimizer = torch.optim.Adam(model.parameters())\n"
    build += "def clear():\n    optimizer.zero_grad()\nclear()\nmodel.out = nn.Linear(4, 2)"
    layers, forward = BODY
    script = TRAIN.format(imports="", layers=layers, forward=forward, build=build, output=ONE)
    with pytest.raises(Refused, match="is used between"):
        scene(script).after([OptimiseAll()])


BASE = """
import torch
from torch import nn


class Learner(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 2)
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.5)

    def fit(self, x, y, epochs=2):
        for epoch in range(epochs):
            for rows in torch.arange(16).split(8):
                self.optimizer.zero_grad()
                nn.functional.cross_entropy(self(x[rows]), y[rows]).backward()
                self.optimizer.step()


class Deep(Learner):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)

    def forward(self, x):
        return self.out(torch.relu(self.body(x)))


model = Deep()
{fit}
"""


def test_an_optimiser_of_a_base_class_is_built_anew_where_it_is_used(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(BASE.format(fit="model.fit(torch.randn(16, 4), torch.randint(0, 2, (16,)))"))

    edited = found.after([OptimiseAll()])

    again = (
        "        self.optimizer = type(self.optimizer)"
        "(self.parameters(), **self.optimizer.defaults)\n"
    )
    loop = "        for epoch in range(epochs):\n"
    wanted = found.project.original("train.py").replace(loop, again + loop)
    assert edited.project.text("train.py") == wanted
    held = {p.name for p in rerun(edited).run.parameters if p.optimised}
    assert held == {"body.weight", "body.bias", "out.weight", "out.bias"}


def test_not_where_it_is_used_again_and_again(scene: Callable[..., Scene]) -> None:
    fit = "for epoch in range(2):\n    model.fit(torch.randn(16, 4), torch.randint(0, 2, (16,)), 1)"
    with pytest.raises(Refused, match="before all layers are there"):
        scene(BASE.format(fit=fit)).after([OptimiseAll()])
