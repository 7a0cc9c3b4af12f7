"""norm-momentum: running statistics that follow, in the words of torch and of Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from penlight.core.finding import Finding
from penlight.edits import Refused
from penlight.edits.norm_momentum import NormMomentum
from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.edits.training import Training
from penlight.testing import fake_run

TRAIN = """
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 6), nn.{norm}, nn.ReLU(), nn.Linear(6, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(4):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
"""
KERAS = """
import keras

model = keras.Sequential([keras.layers.Dense(6), keras.layers.BatchNormalization({given})])
"""


@pytest.mark.parametrize(
    ("norm", "momentum", "wanted"),
    [
        ("BatchNorm1d(6, momentum=0.001)", 0.1, "BatchNorm1d(6, momentum=0.1)"),
        ("BatchNorm1d(6, 1e-5, 0.99)", 0.1, "BatchNorm1d(6, 1e-5, 0.1)"),
        ("BatchNorm1d(6)", 0.3, "BatchNorm1d(6, momentum=0.3)"),
    ],
)
def test_in_torch(scene: Callable[..., Scene], norm: str, momentum: float, wanted: str) -> None:
    script = TRAIN.format(norm=norm)
    edited = scene(script).after([NormMomentum(momentum)])
    assert edited.script.text == script.replace(norm, wanted)


def test_one_that_is_set_later(scene: Callable[..., Scene]) -> None:
    script = TRAIN.format(norm="BatchNorm1d(6)").replace(
        "optimizer = ",
        "for m in model.modules():\n"
        "    if isinstance(m, nn.BatchNorm1d):\n"
        "        m.momentum = 0.0\n"
        "optimizer = ",
        1,
    )
    edited = scene(script).after([NormMomentum()])
    assert edited.script.text == script.replace("m.momentum = 0.0", "m.momentum = 0.1")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("", "momentum=0.9"), ("axis=-1, momentum=0.999", "axis=-1, momentum=0.9")],
)
def test_in_keras_it_is_one_minus_that(tmp_path: Path, given: str, wanted: str) -> None:
    (tmp_path / "train.py").write_text(KERAS.replace("{given}", given))
    edited = Scene(Project(tmp_path, "train.py"), fake_run()).after([NormMomentum()])
    assert edited.script.text == KERAS.replace("{given}", wanted)


def test_torchs_own_momentum_is_left(scene: Callable[..., Scene]) -> None:
    with pytest.raises(Refused, match="no batch norm with a momentum of its own"):
        scene(TRAIN.format(norm="BatchNorm1d(6)")).after([NormMomentum()])


@pytest.mark.parametrize(("steps", "tried"), [(40, [0.1, 0.3]), (400, [0.1])])
def test_a_short_run_is_offered_a_faster_one(steps: int, tried: list[float]) -> None:
    scene = SimpleNamespace(run=fake_run(steps=steps))
    found = NormMomentum.propose(scene, Finding("bn-stale-or-small-batch", ""))  # type: ignore[arg-type]
    assert [e.momentum for e in found] == tried  # type: ignore[attr-defined]


def test_live() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, momentum=0.001))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    NormMomentum().live(Training(model, optimizer, nn.MSELoss(), []))
    assert model[1].momentum == 0.1
    with pytest.raises(Refused, match="no batch norm"):
        NormMomentum().live(Training(nn.Linear(2, 2), optimizer, nn.MSELoss(), []))
