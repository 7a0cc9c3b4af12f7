"""permute: the values go along when dimensions change places."""

# ruff: noqa: E501  # one row of the table is one way

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.permute import Permute
from penlight.edits.scene import Scene
from penlight.lab import Recorded

TRAIN = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 6, 3, padding=1)
        self.rnn = nn.GRU(6, 5)
        self.out = nn.Linear(5, 2)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = {turned}
        x, _ = self.rnn(x)
        return self.out(x[-1])


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 3, 9)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "turned",
    [
        "x.view(x.size(2), x.size(0), x.size(1))",
        "x.reshape(x.shape[2], x.shape[0], x.shape[1])",
        "x.reshape(9, -1, 6)",
    ],
)
def test_the_view_becomes_a_permute(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], turned: str
) -> None:
    found = scene(TRAIN.format(turned=turned))
    (edit,) = Permute.propose(found, None)  # type: ignore[arg-type]
    edited = found.after([edit])
    assert edited.project.text("train.py") == TRAIN.format(turned="x.permute(2, 0, 1)")
    assert not any(m.recut_from for m in rerun(edited).run.modules)


def test_a_view_that_swaps_nothing_is_left_alone(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(turned="x.permute(2, 0, 1)"))
    assert list(Permute.propose(found, None)) == []  # type: ignore[arg-type]
    with pytest.raises(Refused, match="No layer is fed"):
        found.after([Permute()])


def test_two_views_that_may_be_meant_are_refused(scene: Callable[..., Scene]) -> None:
    script = TRAIN.format(turned="x.reshape(9, -1, 6).reshape(9, 8, 6)")
    with pytest.raises(Refused, match="cannot be told"):
        scene(script).after([Permute()])


def test_inputs_and_targets_are_turned_alike(scene: Callable[..., Scene]) -> None:
    batches = """
import torch
from torch import nn

X = torch.randn(64, 12, 2)
y = torch.randn(64, 12, 2)


def batches():
    for rows in torch.randperm(64).split(16):
        yield X[rows].reshape(12, 16, 2), y[rows].reshape(12, 16, 2)


model = nn.GRU(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for a, b in batches():
    optimizer.zero_grad()
    nn.functional.mse_loss(model(a)[0], b).backward()
    optimizer.step()
"""
    found = scene(batches)
    wanted = found.script.text.replace("reshape(12, 16, 2)", "permute(1, 0, 2)")
    assert found.after([Permute()]).script.text == wanted


STATE = """
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.{layer}
        self.out = nn.Linear(10, 2)

    def forward(self, x):
        batch = x.size(0)
        out, {state} = self.rnn(x)
        return self.out({given})


model = Encoder()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 9, 3)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
"""
TWO_WAYS = "(3, 5, batch_first=True, bidirectional=True)"
STATES = {
    "GRU": ("GRU" + TWO_WAYS, "h", "h.view(batch, -1)", "h.transpose(0, 1).reshape(batch, -1)"),
    "LSTM": ("LSTM" + TWO_WAYS, "(h, c)", "h.reshape(-1, 10)", "h.transpose(0, 1).reshape(-1, 10)"),
    "whole": ("LSTM" + TWO_WAYS, "s", "s[0].contiguous().view(-1, 10)", "s[0].transpose(0, 1).reshape(-1, 10)"),
    "layers": ("RNN(3, 5, 2, batch_first=True)", "h", "h.view(batch, 10)", "h.transpose(0, 1).reshape(batch, 10)"),
}  # fmt: skip


@pytest.mark.parametrize("way", STATES)
def test_a_state_of_several_parts_is_turned_before_it_is_cut(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], way: str
) -> None:
    layer, state, given, wanted = STATES[way]
    found = scene(STATE.format(layer=layer, state=state, given=given))
    (edit,) = Permute.propose(found, None)  # type: ignore[arg-type]
    edited = found.after([edit])
    assert edited.script.text == STATE.format(layer=layer, state=state, given=wanted)
    assert rerun(edited).run.exam("coupling").values["others"] == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("layer", "state", "given"),
    [
        ("GRU(3, 10, batch_first=True)", "h", "h.view(batch, -1)"),  # one part: nothing to turn
        ("GRU" + TWO_WAYS, "h", "torch.cat([h[0], h[1]], 1).view(batch, -1)"),
        ("GRU" + TWO_WAYS, "h", "out[:, -1].reshape(batch, -1)"),
    ],
)
def test_a_state_that_is_read_rightly_is_left_alone(
    scene: Callable[..., Scene], layer: str, state: str, given: str
) -> None:
    found = scene(STATE.format(layer=layer, state=state, given=given))
    assert list(Permute.propose(found, None)) == []  # type: ignore[arg-type]


def test_data_cut_to_more_dimensions_are_turned_first(scene: Callable[..., Scene]) -> None:
    script = """
import torch
from torch import nn

steps = 5
x = torch.randn(16, 5)
y = torch.randn(16)
x = x.view(steps, -1, 1)
model = nn.GRU(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x)[0][-1].view(-1), y).backward()
    optimizer.step()
"""
    wanted = script.replace("x.view(steps", "x.permute(1, 0).reshape(steps")
    assert scene(script).after([Permute()]).script.text == wanted
