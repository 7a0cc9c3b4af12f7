"""Recognises losses that the script computes itself, from the graph they leave.

`((prediction - target) ** 2).mean()` leaves Mean <- Pow <- Sub, and autograd keeps the difference;
`-(target * log(p)).sum(1).mean()` leaves Mul and Log, and autograd keeps target and p. With the
model's output at hand the missing partner is computed, and the loss is treated like the library's
own of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from penlight.probe.graph import Node, Walk, maker, saved

HEAD = 24  # nodes nearest to the loss that are looked at


@dataclass
class Recognised:
    """A library loss that says the same: its name, prediction and target."""

    name: str
    prediction: Tensor
    target: Tensor
    maker: str = ""  # operation that made the prediction


def recognise(graph: Walk, output: Tensor | None) -> Recognised | None:
    """The loss at the head of a graph, None when it is none of the known shapes.

    Args:
        graph: the walked graph, from the loss backwards.
        output: the model's newest output, detached.
    """
    for node in graph.nodes[:HEAD]:
        if node.op.name in ("Pow", "Abs", "Mul"):
            found = _difference(graph, node, output)
            if found is not None:
                return found
        if node.op.name == "Mul":
            found = _likelihood(graph, node)
            if found is not None:
                return found
    return None


def averaged(graph: Walk, name: str) -> bool:
    """Whether a recognised loss of values is their plain mean, as the library's own would be."""
    ops = [node.op.name for node in graph.nodes[:2]]
    return name in ("mse_loss", "l1_loss") and ops[0] == "Mean" and ops[1] in ("Pow", "Abs", "Mul")


def _difference(graph: Walk, node: Node, output: Tensor | None) -> Recognised | None:
    inputs = [graph.nodes[i] for i in node.op.inputs]
    if output is None or not inputs or inputs[0].op.name not in ("Sub", "Rsub"):
        return None
    square = len(inputs) == 2 and inputs[0] is inputs[1]
    if node.op.name == "Mul" and not square:
        return None
    difference = saved(node.live, "self")
    if difference is None or not difference.is_floating_point():
        return None
    sub = inputs[0]
    if sub.op.blocked != 1 or difference.numel() != output.numel() or difference.dim() == 0:
        return None
    first_is_prediction = sub.live.next_functions[0][0] is not None
    prediction = output.reshape(difference.shape)
    target = prediction - difference if first_is_prediction else prediction + difference
    side = sub.live.next_functions[0 if first_is_prediction else 1][0]
    name = "l1_loss" if node.op.name == "Abs" else "mse_loss"
    return Recognised(name, prediction, target, maker(side))


def _likelihood(graph: Walk, node: Node) -> Recognised | None:
    """`target * log(p)`, alone for classes or beside `(1 - target) * log(1 - p)` for yes and no."""
    if node.op.blocked != 1 or not node.op.inputs:
        return None
    other = graph.nodes[node.op.inputs[0]]
    weights = saved(node.live, "other")
    if weights is None:
        weights = saved(node.live, "self")
    logs = _logs(other)
    if weights is None or logs is None or logs.shape != weights.shape or logs.dim() == 0:
        return None
    if _complement(graph, other):
        return None  # the other half of a binary loss
    if any(n.op.name == "Log" and _complement(graph, n) for n in graph.nodes[:HEAD]):
        return Recognised("binary_cross_entropy", logs.exp(), weights)
    if weights.dim() < 2 or weights.shape[1] < 2 or bool((weights < 0).any()):
        return None
    if not torch.allclose(weights.sum(1), torch.ones(()).to(weights), atol=1e-4):
        return None
    return Recognised("nll_loss", logs, weights.argmax(1))


def _logs(node: Node) -> Tensor | None:
    """The logarithms that a node has made."""
    if node.op.name == "LogSoftmax":
        return saved(node.live, "result")
    inside = saved(node.live, "self") if node.op.name == "Log" else None
    return inside.log() if inside is not None else None


def _complement(graph: Walk, node: Node) -> bool:
    """Whether a node takes the log of one minus something, perhaps clamped or shifted."""
    for _ in range(3):
        if not node.op.inputs:
            return False
        node = graph.nodes[node.op.inputs[0]]
        if node.op.name == "Rsub":
            return True
        if node.op.name not in ("Clamp", "Add", "ClampMin", "ClampMax"):
            return False
    return False
