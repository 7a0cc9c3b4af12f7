"""The edits that a demo's prescriptions name cure the demo, from its script form."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice, product
from pathlib import Path

import pytest

from penlight.catalogue import catalogue
from penlight.core.finding import Finding, Prescription
from penlight.core.pitfall import Pitfall
from penlight.diagnosis import diagnose
from penlight.edits import Edit, Refused, edit
from penlight.edits.learning_rate import LearningRate
from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.lab import Recorded, record

PITFALLS = [p for p in catalogue().values() if p.demo is not None]
# No edit makes these: the data, how they were collected, or the model have to change by hand.
BY_HAND = (
    "augmentation-breaks-labels",
    "catastrophic-forgetting",
    "data-stall",
    "duplicate-augmentation-workers",
    "distributed-duplicate-data",
    "fine-tune-mismatch",
    "gan-mode-collapse",
    "hidden-bottleneck-or-shape-bug",
    "moe-router-collapse",
    "no-information-from-input",
    "output-logit-drift",
    "representation-collapse",
    "shortcut-feature",
    "train-val-leakage",
)
MOST = 3  # proposals tried for one prescription
SHARE = 0.9  # of the way from the sick result to the cured one


def combinations(scene: Scene, finding: Finding, remedy: Prescription) -> list[tuple[Edit, ...]]:
    """The values that a prescription's edits propose, and then other learning rates."""
    values = [list(edit(name).propose(scene, finding)) for name in remedy.edits]
    plain = list(islice(product(*values), MOST))
    if not any(edit(name).new_rate for name in remedy.edits):
        return plain
    rates = {o.lr for o in scene.run.optimizers}
    factors = (0.1, 3.0, 0.3, 10.0) if len(rates) == 1 else ()
    varied = [LearningRate(float(f"{rate * f:.3g}")) for rate in rates for f in factors]
    return [*plain, *((*plain[0], rate) for rate in varied if plain)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "pitfall",
    [pytest.param(p, id=p.name) for p in PITFALLS if p.name not in BY_HAND],
)
def test_a_named_edit_cures_the_demo(
    pitfall: Pitfall, tmp_path: Path, demo: Callable[[Pitfall, str], tuple[Path, Recorded]]
) -> None:
    (script, sick), (_, well) = demo(pitfall, "sick"), demo(pitfall, "cured")
    finding = diagnose(sick.run).findings[0]
    scene = Scene(Project(script.parent, script.name), sick.run, ("0",))
    seen = []
    for remedy in finding.prescriptions:
        if not remedy.edits:
            continue
        for edits in combinations(scene, finding, remedy):
            try:
                edited = scene.after(edits)
            except Refused as refusal:
                seen.append(f"{edits}: {refusal.why}")
                continue
            patched = tmp_path / "patched.py"
            patched.write_text(edited.project.text(script.name))
            again = record(patched, budget=0)  # only what it reached is asked for
            assert again.exit_code == 0, again.printed
            start = sick.result
            if math.isnan(start):
                reached = float(not math.isnan(again.result))
            else:
                reached = (again.result - start) / (well.result - start)
            seen.append(f"{edits}: {again.result:g}, {reached:.0%} of the way")
            if reached >= SHARE:
                return
    pytest.fail("\n".join([f"{sick.result:g} should become {well.result:g}", *seen]))
