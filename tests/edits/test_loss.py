"""loss, mean-loss, divide-once, class-weights, recode-labels: the objective fits the task."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from penlight.core.finding import Finding
from penlight.core.vocabulary import LOSS, OBJECTIVE_LOSS
from penlight.edits import Edit, Refused
from penlight.edits.class_weights import ClassWeights
from penlight.edits.divide_once import DivideOnce
from penlight.edits.loss import Loss
from penlight.edits.mean_loss import MeanLoss
from penlight.edits.recode_labels import RecodeLabels
from penlight.edits.scene import Scene
from penlight.edits.training import Training
from penlight.lab import Recorded

TRAIN = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn import MSELoss

x, y = torch.randn(24, 4), {labels}
model = nn.Sequential(nn.Linear(4, {units}){act})
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = {loss}
for rows in torch.arange(24).split(8):
    optimizer.zero_grad()
    loss = {call}
    loss.backward()
    optimizer.step()
"""
CALL = "criterion(model(x[rows]), y[rows])"
THREE, TWO = "torch.arange(24) % 3", "(torch.arange(24) % 2).view(-1, 1).float()"
BY_HAND = """None
def by_hand(p, t):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(t * p.log() + (1 - t) * (1 - p).log()).mean()"""
PRICES = "40 + 10 * torch.randn(24, 1)"
STYLES: dict[str, tuple[Edit, str, str, str, str, str, str, str]] = {
    "by hand": (Loss("mse_loss"), PRICES, "1", ", nn.Sigmoid()", BY_HAND, "by_hand(model(x[rows]), y[rows])", ", nn.Sigmoid())|loss = by_hand(", ")|loss = F.mse_loss("),
    "by hand, target first": (Loss("mse_loss"), PRICES, "1", ", nn.Sigmoid()", BY_HAND.replace("p, t", "t, p"), "by_hand(y[rows], model(x[rows]))", ", nn.Sigmoid())|loss = by_hand(y[rows], model", ")|loss = F.mse_loss(target=y[rows], input=model"),
    "squared classes": (Loss("cross_entropy"), "F.one_hot(torch.arange(24) % 3).float()", "3", ", nn.Softmax(dim=1)", "nn.MSELoss()", CALL, ", nn.Softmax(dim=1))|nn.MSELoss()", ")|nn.CrossEntropyLoss()"),
    "bare name": (Loss("cross_entropy"), "F.one_hot(torch.arange(24) % 3).float()", "3", "", "MSELoss()", CALL, "import MSELoss|= MSELoss()", "import MSELoss, CrossEntropyLoss|= CrossEntropyLoss()"),
    "raw scores": (Loss("cross_entropy"), THREE, "3", "", "nn.NLLLoss(reduction='mean')", CALL, "nn.NLLLoss(", "nn.CrossEntropyLoss("),
    "one unit": (Loss("binary_cross_entropy_with_logits"), TWO, "1", "", "nn.CrossEntropyLoss(label_smoothing=0.1)", CALL, "nn.CrossEntropyLoss(label_smoothing=0.1)", "nn.BCEWithLogitsLoss()"),
    "function": (Loss("binary_cross_entropy"), TWO, "1", ", nn.Sigmoid()", "None", "F.mse_loss(model(x[rows]), y[rows])", "F.mse_loss", "F.binary_cross_entropy"),
    "integers": (Loss("binary_cross_entropy_with_logits"), "torch.arange(24) % 2 * 0", "1", "", "nn.CrossEntropyLoss()", CALL, "nn.CrossEntropyLoss()|y[rows])", "nn.BCEWithLogitsLoss()|y[rows].float().unsqueeze(1))"),
    "a function by another name": (Loss("mse_loss"), PRICES, "1", "", "F.l1_loss", CALL, "F.l1_loss", "F.mse_loss"),
    "several labels": (Loss("binary_cross_entropy_with_logits"), "(torch.arange(24)[:, None] % torch.arange(2, 5) == 0).float()", "3", "", "nn.CrossEntropyLoss()", CALL, "nn.CrossEntropyLoss()", "nn.BCEWithLogitsLoss()"),
    "several labels, said": (Loss("binary_cross_entropy_with_logits"), "(torch.arange(24)[:, None] % torch.arange(2, 5) == 0).float()", "3", "", "nn.CrossEntropyLoss()\nsaid = lambda: (torch.softmax(model(x), dim=1) > 0.5, model(x).softmax(-1) > 0.5)", CALL, "nn.CrossEntropyLoss()|torch.softmax(model(x), dim=1)|model(x).softmax(-1)", "nn.BCEWithLogitsLoss()|torch.sigmoid(model(x))|torch.sigmoid(model(x))"),
    "sum": (MeanLoss(), THREE, "3", "", 'nn.CrossEntropyLoss(reduction="sum")', CALL, '(reduction="sum")', "()"),
    "sum, and more": (MeanLoss(), THREE, "3", "", 'nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.1)', CALL, 'reduction="sum", ', ""),
    "sum in the call": (MeanLoss(), THREE, "3", "", "None", 'F.cross_entropy(model(x[rows]), y[rows], reduction="sum")', ', reduction="sum"', ""),
    "sum by hand": (MeanLoss(), PRICES, "1", "", "None", "((model(x[rows]) - y[rows]) ** 2).sum()", ".sum()", ".mean()"),
    "sum by hand, a function": (MeanLoss(), PRICES, "1", "", "None", "torch.sum(torch.abs(model(x[rows]) - y[rows]))", "torch.sum", "torch.mean"),
    "weights": (ClassWeights(), "(torch.arange(24) % 4 == 0).long()", "2", "", "nn.CrossEntropyLoss()", CALL, "Loss()\nfor", "Loss(weight=torch.tensor([0.6667, 2]))\nfor"),
    "weights turned around": (ClassWeights(), "(torch.arange(24) % 4 == 0).long()", "2", "", "nn.CrossEntropyLoss(weight=torch.tensor([0.75, 0.25]))", CALL, "[0.75, 0.25]", "[0.6667, 2]"),
    "labels 1 and 2": (RecodeLabels(), "(torch.arange(24) % 2 + 1).view(-1, 1).float()", "1", "", "nn.BCEWithLogitsLoss()", CALL, "(torch.arange(24) % 2 + 1).view(-1, 1).float()", "((torch.arange(24) % 2 + 1).view(-1, 1).float() == 2).float()"),
    "a mask of 0 and 255": (RecodeLabels(), "(torch.arange(24) % 2) * 255", "2", "", "nn.CrossEntropyLoss(ignore_index=255)", CALL, ", y[rows])", ", (y[rows] > 0).long())"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_objective_changes_and_runs(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    edit, labels, units, act, loss, call, old, new = STYLES[style]
    found = scene(TRAIN.format(labels=labels, units=units, act=act, loss=loss, call=call))
    wanted = found.project.original("train.py")
    for one, other in zip(old.split("|"), new.split("|"), strict=True):
        assert wanted.count(one) == 1, one
        wanted = wanted.replace(one, other)

    edited = found.after([edit])

    assert edited.project.text("train.py") == wanted
    objective = rerun(edited).run.objective
    assert objective is not None
    if isinstance(edit, Loss):
        assert objective.function == edit.function
    elif isinstance(edit, MeanLoss):
        assert objective.reduction == "mean"
    elif isinstance(edit, ClassWeights):
        assert objective.weights == pytest.approx((0.6667, 2.0))


TWICE = {
    "in its function": ("    loss = F.cross_entropy(p, t)\n    if True:\n        loss /= len(p)\n    return loss", "    if True:\n        loss /= len(p)\n", ""),
    "in one of two branches": ("    loss = F.cross_entropy(p, t)\n    if len(p):\n        loss /= len(p)\n    else:\n        print(loss)\n    return loss", "loss /= len(p)", "pass"),
    "returned": ("    return F.cross_entropy(p, t) / len(p)", " / len(p)", ""),
    "named anew": ("    loss = F.cross_entropy(p, t)\n    print(loss / 2)\n    loss = loss / p.size(0)\n    return loss", "    loss = loss / p.size(0)\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("style", TWICE)
def test_the_second_division_goes(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    body, old, new = TWICE[style]
    call = "judged(model(x[rows]), y[rows])"
    loss = f"None\ndef judged(p, t):\n{body}"
    found = scene(TRAIN.format(labels=THREE, units="3", act="", loss=loss, call=call))
    edited = found.after([DivideOnce()])
    assert edited.project.text("train.py") == found.project.original("train.py").replace(old, new)
    run = rerun(edited).run
    (site,) = {o.site for o in run.objectives}
    own, given = run.series(OBJECTIVE_LOSS, site), run.series(LOSS)
    assert given.values == pytest.approx(own.values)


def test_divided_where_it_is_learnt_from(scene: Callable[..., Scene]) -> None:
    script = TRAIN.format(labels=THREE, units="3", act="", loss="nn.CrossEntropyLoss()", call=CALL)
    found = scene(script.replace("    loss.backward()", "    (loss / 8).backward()"))
    assert found.after([DivideOnce()]).project.text("train.py") == script


def test_a_loss_that_is_not_divided_is_left_alone(scene: Callable[..., Scene]) -> None:
    script = TRAIN.format(labels=THREE, units="3", act="", loss="nn.CrossEntropyLoss()", call=CALL)
    with pytest.raises(Refused, match="no single division"):
        scene(script + "    print(loss / 3)\n").after([DivideOnce()])


def test_the_evaluation_gets_its_targets_in_the_same_form(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    labels = "torch.arange(24) % 2 * 0"
    script = TRAIN.format(labels=labels, units="1", act="", loss="nn.CrossEntropyLoss()", call=CALL)
    found = scene(f"{script}print(criterion(model(x), y))\n")
    edited = found.after([Loss("binary_cross_entropy_with_logits")])
    text = edited.project.text("train.py")
    assert "criterion(model(x), y.float().unsqueeze(1))" in text
    assert "criterion(model(x[rows]), y[rows].float().unsqueeze(1))" in text
    rerun(edited)


def test_what_is_right_already_is_left_alone(scene: Callable[..., Scene]) -> None:
    found = scene(
        TRAIN.format(labels=THREE, units="3", act="", loss="nn.CrossEntropyLoss()", call=CALL)
    )
    for edit in (Loss("cross_entropy"), MeanLoss(), RecodeLabels()):
        with pytest.raises(Refused):
            found.after([edit])


def test_a_rounded_probability_stays_one(scene: Callable[..., Scene]) -> None:
    script = TRAIN.format(
        labels=TWO, units="1", act=", nn.Softmax(dim=1)", loss="nn.BCELoss()", call=CALL
    )
    found = scene(f"{script}with torch.no_grad():\n    answers = model(x).round()\n")
    with pytest.raises(Refused, match="rounds"):
        found.after([Loss("binary_cross_entropy_with_logits")])


def test_live_faces_change_the_loss() -> None:
    model = nn.Linear(2, 2)
    batch = (torch.randn(4, 2), torch.tensor([0, 0, 0, 1]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training = Training(model, optimizer, nn.CrossEntropyLoss(reduction="sum"), [batch])
    MeanLoss().live(training)
    assert torch.equal(training.loss(*batch), nn.functional.cross_entropy(*batch))
    ClassWeights().live(training)
    assert training.loss.weight.tolist() == pytest.approx([2 / 3, 2.0])  # type: ignore[attr-defined]
    Loss("mse_loss").live(training)
    assert isinstance(training.loss, nn.MSELoss)


@pytest.mark.parametrize(
    ("labels", "proposed"),
    [
        (TWO, "loss=binary_cross_entropy"),
        (PRICES, "loss=mse_loss"),
        ("torch.arange(24.0).view(-1, 1) % 5", ""),
    ],
)
def test_what_one_unit_is_for(scene: Callable[..., Scene], labels: str, proposed: str) -> None:
    script = TRAIN.format(
        labels=labels, units="1", act=", nn.Sigmoid()", loss="nn.CrossEntropyLoss()", call=CALL
    )
    found = scene(script)
    cause = Finding("single-unit-softmax", "")
    assert [str(e) for e in Loss.propose(found, cause)] == ([proposed] if proposed else [])


def test_a_loss_in_the_training_step_itself_is_refused(scene: Callable[..., Scene]) -> None:
    call = "-(y[rows] * model(x[rows]).log() + (1 - y[rows]) * (1 - model(x[rows])).log()).mean()"
    found = scene(
        TRAIN.format(labels=PRICES, units="1", act=", nn.Sigmoid()", loss="None", call=call)
    )
    with pytest.raises(Refused, match="written into the training step"):
        found.after([Loss("mse_loss")])


def test_digits_of_a_printed_number_are_no_decision(scene: Callable[..., Scene]) -> None:
    script = TRAIN.format(
        labels=TWO, units="1", act=", nn.Sigmoid()", loss="nn.BCELoss()", call=CALL
    )
    edit = Loss("binary_cross_entropy_with_logits")
    found = scene(script + "print(round(criterion(model(x), y).item(), 4))\n")
    assert "nn.BCEWithLogitsLoss()" in found.after([edit]).project.text("train.py")
    decides = scene(script + "print(model(x).round().sum())\n")
    with pytest.raises(Refused, match="rounds the model's output"):
        decides.after([edit])
