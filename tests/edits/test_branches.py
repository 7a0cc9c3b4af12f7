"""Loops that step on either side of a condition, as scripts with optional mixed precision do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused, parse
from penlight.edits.scene import Scene
from penlight.lab import Recorded

TRAIN = """
import torch
from torch import nn

torch.manual_seed(0)
amp, clip = {amp}, 1.0
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cpu")
for step in range(4):
    loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
    if amp:
        scaler.scale(loss).backward()
        if clip > 0:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        scaler.step(optimizer)
        scaler.update()
    else:
        loss.backward()
        if clip > 0:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    model.zero_grad()
"""
UNSCALED = """        if clip > 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        scaler.step"""


def test_the_side_with_the_scaler(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(TRAIN.format(amp=True))
    edited = found.after([parse("unscale")])
    assert UNSCALED in edited.script.text
    assert edited.script.text.count("unscale_") == 1
    assert rerun(edited).run.hygiene.clip_scaled == 0


def test_the_side_without_it(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(amp=False))
    assert found.loop.source.code(found.loop.step) == "optimizer.step()"
    assert found.loop.source.code(found.loop.backward) == "loss.backward()"


def test_two_steps_that_both_run(scene: Callable[..., Scene]) -> None:
    both = TRAIN.format(amp=True).replace("    else:\n", "    if True:\n")
    both = both.replace(
        "        loss.backward()", "        loss = model.weight.sum()\n        loss.backward()"
    )
    with pytest.raises(Refused, match="2 training loops"):
        scene(both).after([parse("unscale")])
