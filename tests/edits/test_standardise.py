"""standardise-inputs, standardise-targets, fill-missing, input-norm: the data's own scale."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.fill_missing import FillMissing
from penlight.edits.input_norm import InputNorm
from penlight.edits.scene import Scene
from penlight.edits.standardise_inputs import StandardiseInputs
from penlight.edits.standardise_targets import StandardiseTargets

HEAD = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split

torch.manual_seed(0)
features = torch.randn(60, 3) * torch.tensor([1.0, 50.0, 900.0]) + 500
goal = features.sum(1, keepdim=True) * 100
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
loss_fn = nn.MSELoss()
"""
DIRECT = """
train_x, val_x, train_y, val_y = features[:40], features[40:], goal[:40], goal[40:]

for epoch in range(2):
    for rows in torch.randperm(40).split(10):
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(loss_fn(model(val_x), val_y).item())
"""
LOADER = """
class Table(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, torch.as_tensor(y)
        self.rows = torch.tensor(x, dtype=torch.float32)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.rows[i], self.y[i]

X, Y = features.numpy(), goal.numpy()
train_loader = DataLoader({dataset}, batch_size=10, shuffle=True)
val_x = torch.tensor(X[40:])
for epoch in range(2):
    for i, (xb, yb) in enumerate(train_loader):
        loss = loss_fn(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(model(val_x).mean().item())
"""
FUNCTION = """
def fit(net, x, y, optimizer):
    for step in range(3):
        optimizer.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        optimizer.step()

def main():
    train, test = torch.arange(40), torch.arange(40, 60)
    x = features.clone()
    fit(model, x[train], goal[train], optimizer)
    with torch.no_grad():
        print(loss_fn(model(x[test]), goal[test]).item())

main()
"""
DRAWN = """
def main():
    x = features.clone()
    pick = torch.randperm(60)
    train, test = pick[:40], pick[40:]
    for epoch in range(2):
        order = train[torch.randperm(len(train))]
        for i, rows in enumerate(order.split(10)):
            loss = loss_fn(model(x[rows]), goal[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        print(loss_fn(model(x[test]), goal[test]).item())

main()
"""
INPUTS = {
    "drawn": (DRAWN, "    for epoch in", "    mean, std = x[train].mean(0), x[train].std(0)\n    x = (x - mean) / std\n    for epoch in"),
    "drawn by numpy": (DRAWN.replace("train[torch.randperm(len(train))]", "np.random.permutation(train)").replace("order.split(10)", "np.array_split(order, 4)"), "    for epoch in", "    mean, std = x[train].mean(0), x[train].std(0)\n    x = (x - mean) / std\n    for epoch in"),
    "direct": (DIRECT, "\nfor epoch in", "\nmean, std = train_x.mean(0), train_x.std(0)\ntrain_x, val_x = (train_x - mean) / std, (val_x - mean) / std\nfor epoch in"),
    "dataset": (LOADER.format(dataset="Table(X[:40], Y[:40])"), "train_loader = ", "mean, std = X[:40].mean(0), X[:40].std(0)\nX = (X - mean) / std\ntrain_loader = "),
    "tensors": (LOADER.format(dataset="TensorDataset(features[:40], goal[:40])").replace("torch.tensor(X[40:])", "features[40:]"), "train_loader = ", "mean, std = features[:40].mean(0), features[:40].std(0)\nfeatures = (features - mean) / std\ntrain_loader = "),
    "function": (FUNCTION, "    fit(model", "    mean, std = x[train].mean(0), x[train].std(0)\n    x = (x - mean) / std\n    fit(model"),
}  # fmt: skip


@pytest.mark.parametrize("style", INPUTS)
def test_inputs_are_scaled_by_the_training_part(scene: Callable[..., Scene], style: str) -> None:
    script, old, new = INPUTS[style]
    found = scene(HEAD + script)
    text = found.project.original("train.py")
    assert text.count(old) == 1

    edited = found.after([StandardiseInputs()]).project.text("train.py")

    assert edited == text.replace(old, new)
    seen = scene(edited).run.inputs[0]
    assert abs(seen.mean) < 0.3
    assert 0.7 < seen.std < 1.3


def test_rows_that_any_part_may_be_of_are_refused(scene: Callable[..., Scene]) -> None:
    for drawn in ("torch.randperm(60)", "torch.randperm(len(x))[:40]"):
        script = DRAWN.replace("train[torch.randperm(len(train))]", drawn)
        with pytest.raises(Refused, match="chosen in the loop"):
            scene(HEAD + script).after([StandardiseInputs()])


def test_bytes_are_divided(scene: Callable[..., Scene]) -> None:
    images = """
    import torch
    from torch import nn

    train_x, test_x = (torch.randint(0, 256, (30, 1, 5, 5)) for _ in range(2))
    model = nn.Sequential(nn.Flatten(), nn.Linear(25, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for step in range(2):
        optimizer.zero_grad()
        loss = model(train_x.float()).square().mean()
        loss.backward()
        optimizer.step()
    print(model(test_x.float()))
    """
    found = scene(images)
    text = found.after([StandardiseInputs()]).project.text("train.py")
    assert "train_x, test_x = train_x / 255, test_x / 255\nfor step" in text
    assert scene(text).run.inputs[0].max <= 1


def test_a_split_of_a_finished_data_set_is_refused(scene: Callable[..., Scene]) -> None:
    script = LOADER.format(dataset="train_set").replace(
        "train_loader", "train_set, rest = random_split(TensorDataset(features, goal), [40, 20])\ntrain_loader", 1
    )  # fmt: skip
    found = scene(HEAD + script)
    with pytest.raises(Refused, match="cut from a data set"):
        found.after([StandardiseInputs()])

    text = found.after([InputNorm()]).project.text("train.py")  # which needs no statistics
    assert "model = nn.Sequential(nn.BatchNorm1d(3), model)\noptimizer = " in text
    assert scene(text).run.inputs[0].normalised_first


TARGETS = {
    "direct": (DIRECT, {
        "\nfor epoch in": "\nmean, std = train_y.mean(), train_y.std()\nfor epoch in",
        "(train_x[rows]), train_y[rows])": "(train_x[rows]), (train_y[rows] - mean) / std)",
        "loss_fn(model(val_x), val_y)": "loss_fn(model(val_x) * std + mean, val_y)"}),
    "dataset": (LOADER.format(dataset="Table(X[:40], Y[:40])"), {
        "train_loader = ": "mean, std = Y[:40].mean(), Y[:40].std()\ntrain_loader = ",
        "model(xb), yb)": "model(xb), (yb - mean) / std)",
        "print(model(val_x).mean()": "print((model(val_x) * std + mean).mean()"}),
}  # fmt: skip


@pytest.mark.parametrize("style", TARGETS)
def test_targets_are_scaled_in_the_loss_alone(scene: Callable[..., Scene], style: str) -> None:
    script, pairs = TARGETS[style]
    found = scene(HEAD + script)
    wanted = found.project.original("train.py")
    for old, new in pairs.items():
        assert wanted.count(old) == 1
        wanted = wanted.replace(old, new)

    edited = found.after([StandardiseTargets()]).project.text("train.py")

    assert edited == wanted
    seen = scene(edited).run.targets()
    assert seen is not None
    assert abs(seen.mean[0]) < 0.5
    assert 0.6 < seen.std[0] < 1.4


def test_targets_out_of_sight_are_refused(scene: Callable[..., Scene]) -> None:
    found = scene(HEAD + FUNCTION.replace("goal[train], optim", "answers[train], optim").replace(
        "    x = features.clone()", "    x, answers = features.clone(), goal.clone()"
    ))  # fmt: skip
    with pytest.raises(Refused) as refused:
        found.after([StandardiseTargets()])
    assert "(y - mean) / std" in refused.value.instruction


def test_missing_values_get_the_training_median(scene: Callable[..., Scene]) -> None:
    holes = 'features[torch.rand(60, 3) < 0.1] = float("nan")\ntrain_x, val_x'
    found = scene(HEAD + DIRECT.replace("train_x, val_x", holes, 1))
    assert found.run.inputs[0].nonfinite

    text = found.after([FillMissing()]).project.text("train.py")

    assert "median = train_x.nanmedian(dim=0).values" in text
    assert "val_x = torch.where(torch.isfinite(val_x), val_x, median)" in text
    assert not scene(text).run.inputs[0].nonfinite


def test_nothing_is_missing(scene: Callable[..., Scene]) -> None:
    with pytest.raises(Refused, match="finite"):
        scene(HEAD + DIRECT).after([FillMissing()])
