"""restore-state: what a checkpoint holds besides the weights is loaded with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.core.facts import Resume
from penlight.edits import Refused
from penlight.edits.restore_state import RestoreState
from penlight.edits.scene import Scene
from penlight.lab import Recorded

SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(24, 4), torch.randn(24, 1)


def build():
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.1)


def resume(model, optimizer, scheduler):
    state = torch.load("last.pt")
    model.load_state_dict(state["model"]){restored}
    return state["epoch"]


def train(model, optimizer, scheduler, first):
    for epoch in range(first, first + 2):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        scheduler.step()
    saved = {{
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
    }}
    torch.save(saved, "last.pt")


train(*build(), 0)
parts = build()
train(*parts, resume(*parts))
"""
RESTORED = """
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])"""


def test_the_rest_is_loaded_with_the_weights(
    scene: Callable[..., Scene],
    rerun: Callable[[Scene], Recorded],
    tmp_path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = scene(SCRIPT.format(restored=""))
    (seen,) = found.run.all(Resume)
    assert (seen.restored, seen.lr) == (False, 0.1)
    edited = found.after([RestoreState()])
    assert edited.project.text("train.py") == SCRIPT.format(restored=RESTORED)
    (seen,) = rerun(edited).run.all(Resume)
    assert seen.restored
    with pytest.raises(Refused, match="not visible"):
        edited.after([RestoreState()])


def test_one_that_is_loaded_is_not_loaded_again(
    scene: Callable[..., Scene], tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = '\n    optimizer.load_state_dict(state["optimizer"])'
    edited = scene(SCRIPT.format(restored=first)).after([RestoreState()])
    assert edited.project.text("train.py") == SCRIPT.format(restored=RESTORED)


def test_what_has_no_name_there_is_left_out(
    scene: Callable[..., Scene], tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = SCRIPT.format(restored="").replace(
        "def resume(model, optimizer, scheduler)", "def resume(model, *others)"
    )
    with pytest.raises(Refused, match="not visible"):
        scene(script).after([RestoreState()])
