"""layers-in-init: layers that forward() makes are made once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.layers_in_init import LayersInInit
from penlight.edits.scene import Scene

TRAIN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.width = width
        self.body = nn.Linear(4, width)

    def forward(self, x):
        x = torch.relu(self.body(x))
        {made}

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(2):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
"""
LAST = "        self.body = nn.Linear(4, width)\n"


@pytest.mark.parametrize(
    ("made", "kept", "lines"),
    [
        (
            "head = nn.Linear(self.width, 2).to(x.device)\n        return head(x)",
            "head = self.head\n        return head(x)",
            ["self.head = nn.Linear(self.width, 2)"],
        ),
        (
            "return nn.Linear(self.width, 2)(x)",
            "return self.linear(x)",
            ["self.linear = nn.Linear(self.width, 2)"],
        ),
        (
            (
                "body = nn.Sequential(nn.Linear(8, 8), nn.ReLU())\n"
                "        return nn.Linear(8, 2)(body(x))"
            ),
            "body = self.body2\n        return self.linear(body(x))",
            [
                "self.body2 = nn.Sequential(nn.Linear(8, 8), nn.ReLU())",
                "self.linear = nn.Linear(8, 2)",
            ],
        ),
    ],
)
def test_made_once(scene: Callable[..., Scene], made: str, kept: str, lines: list[str]) -> None:
    script = TRAIN.format(made=made)
    edited = scene(script).after([LayersInInit()])
    wanted = LAST + "".join(f"        {line}\n" for line in lines)
    assert edited.script.text == script.replace(made, kept).replace(LAST, wanted)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("return nn.Linear(x.shape[1], 2)(x)", "depends on x"),
        ("n = 2\n        return nn.Linear(8, n)(x)", "depends on n"),
        ("for _ in range(2):\n            x = nn.Linear(8, 8)(x)\n        return x", "in a loop"),
        ("return x", "No forward"),
    ],
)
def test_refused(scene: Callable[..., Scene], made: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        scene(TRAIN.format(made=made)).after([LayersInInit()])
