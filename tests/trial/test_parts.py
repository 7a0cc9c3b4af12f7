"""Parts, and how they make joint prescriptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from penlight.core import facts as f
from penlight.core.finding import Diagnosis, Finding, Prescription
from penlight.edits.learning_rate import LearningRate
from penlight.edits.more_epochs import MoreEpochs
from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.edits.swap_optimizer import SwapOptimizer
from penlight.edits.zero_grad import ZeroGrad
from penlight.testing import fake_run
from penlight.trial.parts import Joint, Part, certain_joint, joint, parts_of, rates

SCRIPT = """\
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for _ in range(9):
    loss = model(torch.randn(4, 2)).square().mean()
    loss.backward()
    optimizer.step()
"""
ADAM = SwapOptimizer("Adam", 0.01)
RATE = Part("", "", (LearningRate(0.1),))
SWAP = Part("lr-too-low", "", (ADAM,))
ZERO = Part("missing-zero-grad", "", (ZeroGrad(),), certain=True)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    (tmp_path / "train.py").write_text(SCRIPT)
    run = fake_run(facts=[f.Optimizer(type="SGD", lr=0.5, source="train.py:3")])
    return Scene(Project(tmp_path, "train.py"), run)


def finding(pitfall: str, *edits: str, exact: bool = False, rank: int = 1) -> Finding:
    prescription = Prescription(f"cure {pitfall}", edits=edits)
    return Finding(pitfall, "it is so", prescriptions=(prescription,), exact=exact, rank=rank)


def test_a_rate_takes_the_place_of_a_rate_but_not_of_an_optimiser() -> None:
    lower = Part("", "", (LearningRate(0.01),))
    assert Joint((ZERO, RATE)).with_part(lower) == (ZERO, lower)
    assert Joint((SWAP,)).with_part(RATE) == (SWAP, RATE)
    assert Joint((RATE,)).with_part(SWAP) == (SWAP,)


def test_what_is_made_on_top_keeps_the_texts_below() -> None:
    below = Joint((ZERO, RATE), {"a.py": "old", "b.py": "kept"})
    made = below.under(Joint((Part("", "", (LearningRate(0.01),)),), {"a.py": "new"}))
    assert [str(e) for e in made.edits] == ["zero-grad", "learning-rate=0.01"]
    assert made.texts == {"a.py": "new", "b.py": "kept"}
    assert made.structure == ("zero-grad",)


def test_a_longer_training_costs_more() -> None:
    assert Joint((Part("", "", (MoreEpochs(4.0),)),)).length == 4.0
    assert Joint((ZERO,)).length == 1.0


def test_parts_come_in_the_order_of_the_findings(scene: Scene) -> None:
    diagnosis = Diagnosis(
        (
            finding("missing-zero-grad", "zero-grad", exact=True),
            finding("lr-too-high", "learning-rate", rank=2),
            finding("dying-relu", rank=3),
        )
    )
    parts, refusals = parts_of(diagnosis, scene)
    assert str(parts[0].edits[0]) == "zero-grad"
    assert parts[0].certain
    assert [p.depth for p in parts[1:]] == [0, 1, 2, 3]
    assert not any(p.certain for p in parts[1:])
    assert [r.pitfall for r in refusals] == ["dying-relu"]
    certain = certain_joint(scene, parts)
    assert [str(e) for e in certain.edits] == ["zero-grad"]
    assert "zero_grad()" in certain.texts["train.py"]


def test_what_cannot_be_made_is_refused_with_an_instruction(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        SCRIPT.replace("    loss.b", "    optimizer.zero_grad()\n    loss.b")
    )
    parts, refusals = parts_of(Diagnosis((finding("missing-zero-grad", "zero-grad"),)), scene)
    assert parts == []
    assert "clears gradients already" in refusals[0].why
    assert refusals[0].instruction


def test_rates_around_the_usual_and_the_present_one(scene: Scene) -> None:
    found = [str(p.edits[0]) for p in rates(scene.run, scene, 4)]
    assert found == ["learning-rate=0.1", "learning-rate=0.01", "learning-rate=0.05",
                     "learning-rate=5"]  # fmt: skip
    upwards = [str(p.edits[0]) for p in rates(scene.run, scene, 4, upwards=True)]
    assert upwards[2:] == ["learning-rate=5", "learning-rate=1.5"]


def test_parts_that_do_not_go_together(scene: Scene) -> None:
    assert joint(scene, [ZERO, ZERO]) is None
    both = joint(scene, [RATE, ZERO])
    assert both is not None
    assert [str(e) for e in both.edits] == ["zero-grad", "learning-rate=0.1"]
