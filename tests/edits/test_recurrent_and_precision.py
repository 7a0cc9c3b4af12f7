"""Edits of recurrent cells and of the type that numbers are kept in."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from penlight.edits import Refused, parse
from penlight.edits.open_gates import OpenGates
from penlight.edits.scene import Scene
from penlight.edits.training import Training
from penlight.lab import Recorded

RECURRENT = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.{cell}
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.cell(x)[0][:, -1])

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 5, 4)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
biases = [p.detach() for name, p in model.named_parameters() if "bias_ih" in name]
print("gates", [bias.chunk(4)[1].mean().item() for bias in biases])
"""
NARROW = """
import torch
from torch import nn

{before}
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)){made}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(16, 4){made}
for step in range(3):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16, enabled={auto}):
        loss = model(x).float().square().mean()
    loss.backward()
    optimizer.step()
"""


def test_the_forget_gates_open_in_every_layer(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(RECURRENT.format(cell="LSTM(4, 6, num_layers=2, batch_first=True)"))
    done = rerun(found.after([OpenGates(2.0)]))
    line = next(x for x in done.printed.splitlines() if x.startswith("gates"))
    gates = [float(x) for x in line[7:-1].split(", ")]
    assert len(gates) == 2
    assert all(abs(gate - 2) < 0.1 for gate in gates)


def test_the_forget_gates_of_a_model_in_memory() -> None:
    model = nn.LSTM(4, 6)
    training = Training(model, torch.optim.SGD(model.parameters(), 0.1), nn.MSELoss(), [])
    OpenGates().live(training)
    assert model.bias_ih_l0.chunk(4)[1].eq(3).all()
    assert not model.bias_ih_l0.chunk(4)[0].eq(3).any()


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("RNN(4, 6, batch_first=True)", "GRU(4, 6, batch_first=True)"),
        ('RNN(4, 6, nonlinearity="relu", batch_first=True)', "GRU(4, 6, batch_first=True)"),
    ],
)
def test_a_gated_cell(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], cell: str, wanted: str
) -> None:
    found = scene(RECURRENT.format(cell=cell))
    edited = found.after([parse("swap-recurrent")])
    assert edited.script.text == found.script.text.replace(cell, wanted)
    assert rerun(edited).run.steps == 3


@pytest.mark.parametrize(
    ("before", "made", "wanted"),
    [
        ("", ".to(torch.bfloat16)", ".to(torch.float32)"),
        ("", ".bfloat16()", ".float()"),
        ("kind = torch.bfloat16", ".to(kind)", "kind = torch.float32"),
    ],
)
def test_weights_in_float32(
    scene: Callable[..., Scene],
    rerun: Callable[[Scene], Recorded],
    before: str,
    made: str,
    wanted: str,
) -> None:
    found = scene(NARROW.format(before=before, made=made, auto=False))
    edited = found.after([parse("precision")])
    assert wanted in edited.script.text
    assert 'autocast("cpu", dtype=torch.float16' in edited.script.text
    assert {p.dtype for p in rerun(edited).run.parameters} == {"float32"}


def test_autocast_in_bfloat16(scene: Callable[..., Scene]) -> None:
    found = scene(NARROW.format(before="", made="", auto=True))
    text = found.after([parse("precision=bfloat16")]).script.text
    assert text == found.script.text.replace("torch.float16", "torch.bfloat16")


def test_what_stands_in_the_way(scene: Callable[..., Scene]) -> None:
    bare = RECURRENT.replace(
        "from torch import nn", "from torch import nn\nfrom torch.nn import RNN"
    )
    bare = bare.replace("nn.{cell}", "RNN(4, 6, batch_first=True)")
    with pytest.raises(Refused, match="bare name"):
        scene(bare).after([parse("swap-recurrent")])
    with pytest.raises(ValueError, match="neither"):
        parse("precision").__class__("float8")
    with pytest.raises(Refused, match="no LSTM"):
        OpenGates().live(SimpleNamespace(model=nn.Linear(2, 2)))  # type: ignore[arg-type]


SCHEDULED = """
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(64, 4), torch.randint(0, 2, (64,))
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{schedule}

def train():
    for rows in torch.randperm(64).split(16):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        {inner}
    return loss.item()

for epoch in range(3):
    loss = train()
    {outer}
"""
PLAIN = "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)"


def test_schedules_of_a_training_function(scene: Callable[..., Scene]) -> None:
    by_step = SCHEDULED.format(schedule=PLAIN, inner="pass", outer="scheduler.step()")
    text = scene(by_step).after([parse("schedule-by-step")]).script.text
    assert "optimizer.step()\n        scheduler.step()" in text
    assert "train()\n    scheduler" not in text

    by_epoch = SCHEDULED.format(schedule=PLAIN, inner="scheduler.step()", outer="pass")
    text = scene(by_epoch).after([parse("schedule-by-epoch")]).script.text
    assert "optimizer.step()\n    scheduler.step()\n    return" in text


@pytest.mark.parametrize(
    ("edit", "inner", "outer", "why"),
    [
        ("schedule-by-step", "pass", "scheduler.step(loss)", "a measurement"),
        ("schedule-by-step", "scheduler.step()", "pass", "already"),
        ("schedule-by-step", "scheduler.step()", "scheduler.step()", "more than one"),
        ("schedule-by-epoch", "if epoch: scheduler.step()", "pass", "a condition"),
    ],
)
def test_a_schedule_that_stays(
    scene: Callable[..., Scene], edit: str, inner: str, outer: str, why: str
) -> None:
    schedule = PLAIN
    if "loss" in outer:
        schedule = "scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)"
    found = scene(SCHEDULED.format(schedule=schedule, inner=inner, outer=outer))
    with pytest.raises(Refused, match=why):
        found.after([parse(edit)])
