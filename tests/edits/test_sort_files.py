"""sort-files: inputs and labels are listed alike."""
# ruff: noqa: E501  # one row of the table is one way to list

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.edits.sort_files import SortFiles
from penlight.lab import Recorded

SCRIPT = """
import glob
import os
from pathlib import Path

import torch
from torch import nn

folder = Path(__file__).parent / "data"
folder.mkdir(exist_ok=True)
for i in (3, 1, 2):
    (folder / f"{{i}}.txt").write_text(str(i))
{listing}
x = torch.tensor([[float(Path(f).stem)] for f in files])
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), x).backward()
    optimizer.step()
print(x.flatten().tolist())
"""
LISTINGS = {
    "files = list(folder.glob('*.txt'))": "files = sorted(folder.glob('*.txt'))",
    "files = glob.glob(str(folder / '*.txt'))": "files = sorted(glob.glob(str(folder / '*.txt')))",
    "files = [folder / f for f in os.listdir(folder)]": "files = [folder / f for f in sorted(os.listdir(folder))]",
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_files_come_by_name(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], listing: str
) -> None:
    edited = scene(SCRIPT.format(listing=listing)).after([SortFiles()])
    assert edited.script.text == SCRIPT.format(listing=LISTINGS[listing])
    assert rerun(edited).printed.strip() == "[1.0, 2.0, 3.0]"
    with pytest.raises(Refused, match="no folder"):
        edited.after([SortFiles()])


def test_a_count_needs_no_order(scene: Callable[..., Scene]) -> None:
    listing = "files = sorted(folder.iterdir())[: len(os.listdir(folder))]"
    with pytest.raises(Refused, match="no folder"):
        scene(SCRIPT.format(listing=listing)).after([SortFiles()])


def test_a_list_that_is_sorted_below_is_left_alone(scene: Callable[..., Scene]) -> None:
    listing = "files = glob.glob(str(folder / '*.txt'))\nfiles.sort()"
    with pytest.raises(Refused, match="no folder"):
        scene(SCRIPT.format(listing=listing)).after([SortFiles()])
