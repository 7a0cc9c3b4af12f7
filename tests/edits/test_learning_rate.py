"""learning-rate: the number is changed where its author wrote it."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.learning_rate import LearningRate
from penlight.edits.scene import Scene

TRAIN = """
import argparse
from dataclasses import dataclass

import torch
from torch import nn

{before}
model = nn.Linear(4, 2)
{optimizer}
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
"""
STYLES = {
    "keyword": ("", "optimizer = torch.optim.SGD(model.parameters(), lr=0.5)", "lr=0.5", "lr=0.01"),
    "position": ("", "optimizer = torch.optim.SGD(model.parameters(), 0.5)", "(), 0.5", "(), 0.01"),
    "default": ("", "optimizer = torch.optim.Adam(model.parameters())", "rs())", "rs(), lr=0.01)"),
    "constant": ("LR = 0.5  # bold", "optimizer = torch.optim.SGD(model.parameters(), lr=LR)", "LR = 0.5 ", "LR = 0.01 "),
    "config": ('CONFIG = {"lr": 0.5, "x": 1}', 'optimizer = torch.optim.SGD(model.parameters(), lr=CONFIG["lr"])', '"lr": 0.5', '"lr": 0.01'),
    "argparse": (
        'parser = argparse.ArgumentParser()\nparser.add_argument("seed")\nparser.add_argument("--lr", type=float, default=0.5)\nargs = parser.parse_args()',
        "optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)", "default=0.5", "default=0.01"),
    "dataclass": (
        "@dataclass\nclass Config:\n    lr: float = 0.5\n\nconfig = Config()",
        "optimizer = torch.optim.SGD(model.parameters(), lr=config.lr)", "float = 0.5", "float = 0.01"),
    "function": (
        "def make(model, lr=0.5):\n    return torch.optim.SGD(model.parameters(), lr=lr)\n",
        "optimizer = make(model, lr=0.25)", "lr=0.25", "lr=0.01"),
    "tuple": ("epochs, lr = 3, 0.5", "optimizer = torch.optim.SGD(model.parameters(), lr=lr)", "3, 0.5", "3, 0.01"),
    "unpacked": (
        "def settings():\n    return 3, 0.5\n\nepochs, lr = settings()",
        "optimizer = torch.optim.SGD(model.parameters(), lr=lr)", "lr=lr", "lr=0.01"),
    "handed on": (
        "lr = 0.5\ndef make(model, lr):\n    return torch.optim.SGD(model.parameters(), lr=lr)\n",
        "optimizer = make(model, lr)", "lr = 0.5", "lr = 0.01"),
    "given twice": (
        "lr = 0.5\nlr = 0.25\ndef make(model, lr):\n    return torch.optim.SGD(model.parameters(), lr=lr)\n",
        "optimizer = make(model, lr)", "lr=lr", "lr=0.01"),
    "expression": ("base = 2", "optimizer = torch.optim.SGD(model.parameters(), lr=base / 4)", "lr=base / 4", "lr=0.01"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_only_the_number_changes(scene: Callable[..., Scene], style: str) -> None:
    before, optimizer, old, new = STYLES[style]
    found = scene(TRAIN.format(before=before, optimizer=optimizer))
    text = found.project.original("train.py")
    assert text.count(old) == 1

    edited = found.after([LearningRate(0.01)])

    assert edited.project.text("train.py") == text.replace(old, new)


TWO = """
import torch
from torch import nn

{before}
encoder, decoder = nn.Linear(4, 3), nn.Linear(3, 2)
first = torch.optim.SGD(encoder.parameters(), lr={one})
second = torch.optim.SGD(decoder.parameters(), lr={two})
for step in range(3):
    first.zero_grad()
    second.zero_grad()
    out = decoder(encoder(torch.randn(8, 4)))
    loss = nn.functional.cross_entropy(out, torch.randint(0, 2, (8,)))
    loss.backward()
    first.step()
    second.step()
"""


@pytest.mark.parametrize(
    ("before", "one", "two", "old", "new"),
    [
        ("", "0.5", "0.5", "lr=0.5", "lr=0.01"),
        ("RATE = 0.5", "RATE", "RATE", "RATE = 0.5", "RATE = 0.01"),
    ],
)
def test_two_optimisers_of_one_rate(
    scene: Callable[..., Scene], before: str, one: str, two: str, old: str, new: str
) -> None:
    found = scene(TWO.format(before=before, one=one, two=two))
    edited = found.after([LearningRate(0.01)]).project.text("train.py")
    assert edited == found.project.original("train.py").replace(old, new)


def test_two_optimisers_of_two_rates(scene: Callable[..., Scene]) -> None:
    with pytest.raises(Refused, match="different rates"):
        scene(TWO.format(before="", one="0.5", two="0.1")).after([LearningRate(0.01)])
