"""drop-augmentation: the random changes of the inputs, however they are written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.core.finding import Finding
from penlight.edits import Refused, parse
from penlight.edits.drop_augmentation import DropAugmentation
from penlight.edits.scene import Scene

LOOP = """
import random

import torch
from torch import nn


def mirrored(x):
    return x.flip(-1) if random.random() < 0.5 else x


def halved(x):
    return x / 2


x, y = torch.randn(64, 4), torch.randint(0, 2, (64,))
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for rows in torch.randperm(64).split(16):
    batch = x[rows]
    {change}
    optimizer.zero_grad()
    nn.functional.cross_entropy(model({fed}), y[rows]).backward()
    optimizer.step()
"""
ROWS = """
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

x, y = torch.randn(64, 4), torch.randint(0, 2, (64,))


class Compose:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, row):
        for step in self.steps:
            row = step(row)
        return row


class RandomFlip:
    def __call__(self, row):
        return row.flip(-1) if random.random() < 0.5 else row


class Double:
    def __call__(self, row):
        return 2 * row


class Rows(Dataset):
    def __init__(self):
        self.transform = Compose([Double(), RandomFlip()])

    def __len__(self):
        return len(x)

    def __getitem__(self, i):
        row, label = x[i].clone(), y[i]
        {change}
        return row, label


model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for batch, label in DataLoader(Rows(), batch_size=16):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(batch), label).backward()
    optimizer.step()
"""
NOISE = "batch = batch + 0.1 * torch.randn_like(batch)"


def indented(*lines: str) -> str:
    return "\n        ".join(lines)


@pytest.mark.parametrize(
    ("change", "fed", "gone", "kept"),
    [
        ("", "mirrored(batch)", "mirrored(batch)", "model(batch)"),
        ("", "halved(mirrored(batch))", "mirrored(batch)", "model(halved(batch))"),
        ("batch = mirrored(batch)", "batch", "mirrored(batch)", "batch = x[rows]"),
        (NOISE, "batch", NOISE, "batch = x[rows]"),
        ("batch *= torch.rand(1)", "batch", "batch *=", "batch = x[rows]"),
    ],
)
def test_in_the_loop(
    scene: Callable[..., Scene], change: str, fed: str, gone: str, kept: str
) -> None:
    text = scene(LOOP.format(change=change, fed=fed)).after([DropAugmentation()]).script.text
    assert gone not in text
    assert kept in text


@pytest.mark.parametrize(
    ("lines", "gone", "kept"),
    [
        (
            ("if random.random() < 0.5:", "    row = row.flip(-1)"),
            "row.flip(-1)\n        r",
            "row,",
        ),
        (("side = random.randint(1, 3)", "row[:side] = torch.rand(1)"), "row[:side]", "side ="),
        (("row = self.transform(row)",), "self.transform(row)", "self.transform ="),
    ],
)
def test_in_the_data_set(
    scene: Callable[..., Scene], lines: tuple[str, ...], gone: str, kept: str
) -> None:
    text = scene(ROWS.replace("{change}", indented(*lines))).after([DropAugmentation()]).script.text
    assert gone not in text
    assert kept in text
    assert "Compose([Double()])" in text  # the library's own go by their names


def test_a_row_of_random_changes(scene: Callable[..., Scene]) -> None:
    row = "RandomFlip(), RandomFlip(), Double(), RandomFlip()"
    script = ROWS.replace("{change}", "row = self.transform(row)").replace(
        "Double(), RandomFlip()", row
    )
    assert "Compose([Double()])" in scene(script).after([DropAugmentation()]).script.text


def test_each_change_by_itself(scene: Callable[..., Scene]) -> None:
    found = scene(LOOP.format(change=NOISE, fed="mirrored(batch)"))
    tried = list(DropAugmentation.propose(found, Finding("augmentation-breaks-labels", "")))
    assert [str(e) for e in tried] == [f"drop-augmentation={n}" for n in range(3)]
    first, second = (found.after([e]).script.text for e in tried[1:])
    assert (NOISE in first, "model(mirrored(batch))" in first) == (True, False)
    assert (NOISE in second, "model(mirrored(batch))" in second) == (False, True)
    assert parse("drop-augmentation=2") == tried[2]


def test_what_chance_does_not_change_is_left(scene: Callable[..., Scene]) -> None:
    with pytest.raises(Refused, match="No random change"):
        scene(LOOP.format(change="batch = halved(batch)", fed="batch")).after([DropAugmentation()])
