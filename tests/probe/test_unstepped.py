"""An optimiser that is made and never asked to step."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from penlight.lab import record  # noqa: E402  # after the check that torch is there

SCRIPT = """
import torch
from torch import nn

def main():
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 2).backward()
        {act}

main()
"""


@pytest.mark.parametrize(
    ("act", "found"),
    [
        ("pass", "Adam"),
        ("optimizer.step()", ""),
        ("[p.data.sub_(0.1 * p.grad) for p in model.parameters()]", ""),
        ("optimizer.step() if step == 19 else None", ""),
    ],
)
def test_weights_that_stand_still(tmp_path, act, found):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(act=act))
    run = record(script).run
    assert run.hygiene.unstepped == found
    assert run.hygiene.unstepped_source == ("train.py:8" if found else "")
    assert run.hygiene.backwards == 20


def test_without_an_optimiser(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.replace("optimizer.zero_grad()", "model.zero_grad()")
                      .replace("torch.optim.Adam(model.parameters())", "None")
                      .format(act="pass"))  # fmt: skip
    assert record(script).run.hygiene.unstepped == ""
