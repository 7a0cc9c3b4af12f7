"""same-scale: the scaling that the training part alone gets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.same_scale import SameScale
from penlight.edits.scene import Scene

SCRIPT = """
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.manual_seed(0)
X = torch.randn(60, 4) * 9 + 40
y = (X[:, 0] > 40).long()
X_train, X_test, y_train, y_test = X[:40], X[40:], y[:40], y[40:]
{scaling}
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(X_train), y_train)
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        model(X_test)
"""

TRANSFORMS = """
class Compose:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, x):
        for step in self.steps:
            x = step(x)
        return x


class Normalize:
    def __init__(self, mean):
        self.mean = mean

    def __call__(self, x):
        return x - self.mean


random_flip = to_tensor = torch.clone
{lists}
X_train, X_test = train_tf(X_train), test_tf(X_test)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            ["X_train = (X_train - X_train.mean(0)) / X_train.std(0)"],
            [
                "X_test = (X_test - X_train.mean(0)) / X_train.std(0)",
                "X_train = (X_train - X_train.mean(0)) / X_train.std(0)",
            ],
        ),
        (
            ["mean = X_train.mean()", "X_train = X_train - mean", "X_test = X_test / 9"],
            ["mean = X_train.mean()", "X_test = X_test - mean", "X_train = X_train - mean"],
        ),
        (["X_train /= 40.0"], ["X_test /= 40.0", "X_train /= 40.0"]),
        (
            [
                "X_train = torch.tensor(StandardScaler().fit_transform(X_train)).float()",
                "X_test = torch.tensor(StandardScaler().fit_transform(X_test)).float()",
            ],
            [
                "scaler = StandardScaler()",
                "X_train = torch.tensor(scaler.fit_transform(X_train)).float()",
                "X_test = torch.tensor(scaler.transform(X_test)).float()",
            ],
        ),
        (
            [
                "def prepare(x, training):",
                "    if training:",
                "        x = x / 9",
                "    return x",
                "X_train, X_test = prepare(X_train, True), prepare(X_test, False)",
            ],
            [
                "def prepare(x, training):",
                "    x = x / 9",
                "    return x",
                "X_train, X_test = prepare(X_train, True), prepare(X_test, False)",
            ],
        ),
    ],
)
def test_the_training_parts_scaling(
    scene: Callable[..., Scene], before: list[str], after: list[str]
) -> None:
    edited = scene(SCRIPT.format(scaling="\n".join(before))).after([SameScale()])
    assert edited.project.text("train.py") == SCRIPT.format(scaling="\n".join(after))
    with pytest.raises(Refused):
        edited.after([SameScale()])


@pytest.mark.parametrize(
    ("train", "before", "after"),
    [
        (
            "Compose([random_flip, to_tensor, Normalize(40.0)])",
            "Compose([to_tensor])",
            "Compose([to_tensor, Normalize(40.0)])",
        ),
        (
            "Compose([Normalize(40.0), to_tensor])",
            "Compose([Normalize(0.5), to_tensor])",
            "Compose([Normalize(40.0), to_tensor])",
        ),
        ("lambda x: Normalize(40.0)(to_tensor(x))", "lambda x: to_tensor(x)", ""),
    ],
)
def test_lists_of_transforms(
    scene: Callable[..., Scene], train: str, before: str, after: str
) -> None:
    def script(held: str) -> str:
        lists = f"train_tf = {train}\ntest_tf = {held}"
        return SCRIPT.format(scaling=TRANSFORMS.format(lists=lists))

    edited = scene(script(before)).after([SameScale()])
    assert edited.project.text("train.py") == script(after or train)


@pytest.mark.parametrize(
    "scaling",
    [
        "",
        "X_train, X_test = X_train / 9, X_test / 9",
        "X_train = X_train / 9\nX_test = X_test / 9",
        "y_train = y_train * 1",  # a regression's targets have their own scale
        "self = model = nn.Linear(1, 1)\nrows = X\nif self.training:\n    rows = rows * 2",
        "random_crop = lambda x: x\ntrain_tf = lambda x: random_crop(x / 9)\ntest_tf = lambda x: x",
    ],
)
def test_where_nothing_is_one_sided(scene: Callable[..., Scene], scaling: str) -> None:
    with pytest.raises(Refused, match="cannot be told"):
        scene(SCRIPT.format(scaling=scaling)).after([SameScale()])
