"""recode-labels: two labels as the loss reads them, 0 and 1 or -1 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import put, whole
from penlight.edits.losses import loss_call, twins
from penlight.edits.models import SCOPES
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source
from penlight.edits.training import Training

CLASSES = ("cross_entropy", "nll_loss")
SIGNS = ("hinge_embedding_loss", "soft_margin_loss", "margin_ranking_loss")


@dataclass(frozen=True)
class RecodeLabels(Edit):
    """Turn the two values that the labels have into the two that the loss expects."""

    certain = True
    new_rate = True

    @property
    def says(self) -> str:
        return "Recode the labels into the two values that the loss expects"

    def source(self, scene: Scene) -> Sequence[Change]:
        found, targets = loss_call(scene), scene.run.targets()
        if _masked(scene):
            given = [
                (x.source, x.target.value) for x in twins(scene, found) if x.target is not None
            ]
            return [put(s, value, f"({whole(s, value)} > 0).long()") for s, value in given]
        if targets is None or targets.distinct != 2 or found.target is None:
            raise Refused("The labels do not have exactly two values.")
        source, value = found.source, found.target.value
        made = _tensor_behind(source, value)
        labels = whole(source, made)
        if found.function in SIGNS:
            return [source.replace(made, f"2 * {labels} - 1")]
        return [source.replace(made, f"({labels} == {targets.max:g}).float()")]

    def live(self, training: Training) -> None:
        import torch
        from torch import nn

        seen = torch.cat([batch[1].reshape(-1) for batch in training.batches]).unique()
        if len(seen) != 2:
            raise Refused("The labels do not have exactly two values.")
        loss, high = training.loss, seen.max()
        if isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss)):
            training.loss = lambda output, y: loss(output, (y == high).long())
            return
        margins = (nn.HingeEmbeddingLoss, nn.SoftMarginLoss, nn.MarginRankingLoss)
        low, width = (-1, 2) if isinstance(loss, margins) else (0, 1)
        training.loss = lambda output, y: loss(output, (y == high).to(output.dtype) * width + low)


def _masked(scene: Scene) -> bool:
    """Whether the targets are 0 and a number that the loss ignores: 255, where a mask is set."""
    objective, targets = scene.run.objective, scene.run.targets()
    if objective is None or targets is None or targets.max != 0 or targets.ignored <= 0:
        return False
    return objective.function in CLASSES and (objective.ignore_index or 0) > 0


def _tensor_behind(source: Source, value: cst.BaseExpression) -> cst.BaseExpression:
    """Where the labels are made that a target is taken from: else the target itself.

    `criterion(out, train_y[rows])` with `train_y = y[:80]` and `y = labels.float()` above leads
    to `labels.float()`, so that evaluations read the same labels.
    """
    node = value
    for _ in range(6):
        inner = node
        while isinstance(inner, cst.Subscript):
            inner = inner.value
        if not isinstance(inner, cst.Name):
            break
        found = _only_value(source, inner)
        if found is None:
            break
        node = found
    return node if isinstance(node, cst.Call) else value


def _only_value(source: Source, name: cst.Name) -> cst.BaseExpression | None:
    """The one value that a name gets, also from `a, b = x[:8], y[:8]`, in its scope or above."""
    found: list[cst.BaseExpression] = []
    for target in source.all(cst.AssignTarget):
        assign = source.parent(target)
        if not isinstance(assign, cst.Assign):
            continue
        if source.enclosing(target, *SCOPES) not in (
            source.enclosing(name, *SCOPES),
            source.module,
        ):
            continue
        if isinstance(target.target, cst.Name) and target.target.value == name.value:
            found.append(assign.value)
        elif isinstance(target.target, cst.Tuple) and isinstance(assign.value, cst.Tuple):
            pairs = zip(target.target.elements, assign.value.elements, strict=False)
            found += [
                given.value
                for to, given in pairs
                if isinstance(to.value, cst.Name) and to.value.value == name.value
            ]
    return found[0] if len(found) == 1 and not source.inside(name, found[0]) else None
