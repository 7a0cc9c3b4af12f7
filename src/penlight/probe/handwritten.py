"""Recognises losses that the script computes itself, from the graph they leave.

`((prediction - target) ** 2).mean()` leaves Mean <- Pow <- Sub, and autograd keeps the difference;
`-(target * log(p)).sum(1).mean()` leaves Mul and Log, and autograd keeps target and p. With the
model's output at hand the missing partner is computed, and the loss is treated like the library's
own of the same kind. So is one of the library's own that the script took out of torch before the
watch began (`from torch.nn.functional import cross_entropy`): its node keeps both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from penlight.probe.graph import Node, Walk, maker, prediction, saved

HEAD = 24  # nodes nearest to the loss that are looked at
TINY = 1e-7  # a usual guard against the logarithm of zero
NLL_LOSS = functional.nll_loss  # torch's own, whatever is put around it later
SURE = 1e-5  # the logarithm of a probability of one, guarded like that
SHARES = 1e-3  # how far the probabilities of a row, guarded like that, may be from adding up to 1
GUARDS = ("Clamp", "Add", "ClampMin", "ClampMax")  # keep a logarithm off zero
PASSING = ("Neg", "Mean", "Sum", "Div", "Squeeze", "View", "Reshape")


def nll_of_shares(shares: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy of a model that ends in a softmax, as written by hand."""
    return NLL_LOSS(shares.clamp_min(TINY).log(), target, reduction=reduction)


# By the recognised loss: what the model's output may be, and how the prediction follows from it.
FORMS: dict[str, tuple[tuple[str, Callable[[Tensor], Tensor]], ...]] = {
    "mse_loss": (("mse_loss", lambda x: x),),
    "l1_loss": (("l1_loss", lambda x: x),),
    "nll_loss": (
        ("cross_entropy", lambda x: x.log_softmax(1)),
        ("nll_loss", lambda x: x),
        ("nll_of_shares", lambda x: x.clamp_min(TINY).log()),
    ),
    "binary_cross_entropy": (
        ("binary_cross_entropy", lambda x: x),
        ("binary_cross_entropy_with_logits", torch.sigmoid),
    ),
    "binary_cross_entropy_with_logits": (("binary_cross_entropy_with_logits", lambda x: x),),
}
OWN = {  # torch's nodes that keep prediction and target
    "NllLoss": "nll_loss",  # cross-entropy, too: behind its log-softmax
    "MseLoss": "mse_loss",
    "BinaryCrossEntropy": "binary_cross_entropy",
    "BinaryCrossEntropyWithLogits": "binary_cross_entropy_with_logits",
}
LIBRARY: dict[str, Callable[..., Tensor]] = {
    "nll_of_shares": nll_of_shares,
    **{
        name: getattr(functional, name)
        for name in (
            "mse_loss",
            "l1_loss",
            "cross_entropy",
            "nll_loss",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
        )
    },
}


@dataclass
class Recognised:
    """A library loss that says the same: its name, prediction and target."""

    name: str
    prediction: Tensor
    target: Tensor
    maker: str = ""  # operation that made the prediction


def recognise(graph: Walk, own: bool = False) -> Recognised | None:
    """The loss at the head of a graph, None when it is none of the known shapes.

    Args:
        graph: the walked graph, from the loss backwards.
        own: whether it may be one of the library's own, called unseen.
    """
    head = graph.nodes[0]
    while head.op.name in PASSING and len(head.op.inputs) == 1:
        head = graph.nodes[head.op.inputs[0]]
    found = (_called(graph, head) if own else None) or _picked(graph, head)
    if found is not None:
        return found
    for node in graph.nodes[:HEAD]:
        if node.op.name in ("Pow", "Abs", "Mul"):
            found = _difference(graph, node)
            if found is not None:
                return found
        if node.op.name == "Mul":
            found = _likelihood(graph, node)
            if found is not None:
                return found
        if node.op.name == "Sub":
            found = _poisson(graph, node)
            if found is not None:
                return found
    return None


def library_form(
    graph: Walk, found: Recognised, output: Tensor | None
) -> tuple[str, dict[str, str]] | None:
    """The library loss, with its arguments, that is this very loss of the model's own output.

    None when there is none: weights and further terms give another value.
    """
    if output is None or output.shape != found.prediction.shape or found.name not in FORMS:
        return None
    if found.name == "binary_cross_entropy" and not (
        bool((found.prediction <= 1).all()) and bool(((found.target - 0.5).abs() <= 0.5).all())
    ):
        return None  # no probabilities: the library would refuse
    target = found.target.to(output.dtype) if found.target.is_floating_point() else found.target
    for name, read in FORMS[found.name]:
        if torch.allclose(read(output), found.prediction, rtol=1e-3, atol=1e-3):
            for given in ({}, {"reduction": "sum"}):
                value = LIBRARY[name](output, target, **given).to(graph.loss.dtype)
                if torch.isclose(value, graph.loss, rtol=1e-4):
                    return name, given
            return None
    return None


def _difference(graph: Walk, node: Node) -> Recognised | None:
    inputs = [graph.nodes[i] for i in node.op.inputs]
    if not inputs or inputs[0].op.name not in ("Sub", "Rsub"):
        return None
    square = len(inputs) == 2 and inputs[0] is inputs[1]
    if node.op.name == "Mul" and not square:
        return None
    difference = saved(node.live, "self")
    if difference is None or not difference.is_floating_point():
        return None
    sub = inputs[0]
    if sub.op.blocked != 1 or difference.dim() == 0:
        return None
    first_is_prediction = sub.live.next_functions[0][0] is not None
    side = sub.live.next_functions[0 if first_is_prediction else 1][0]
    x = prediction(side)
    if x is None or difference.numel() != x.numel():
        return None
    x = x.reshape(difference.shape)
    target = x - difference if first_is_prediction else x + difference
    name = "l1_loss" if node.op.name == "Abs" else "mse_loss"
    return Recognised(name, x, target, maker(side))


def _weighted(graph: Walk, node: Node) -> tuple[Node, Tensor, Tensor] | None:
    """Of `target * log(p)` the node of the logarithm, the logarithms and the target."""
    if node.op.name != "Mul" or node.op.blocked != 1 or not node.op.inputs:
        return None
    log = graph.nodes[node.op.inputs[0]]
    weights = saved(node.live, "other")
    if weights is None:
        weights = saved(node.live, "self")
    logs = _logs(log)
    if weights is None or logs is None or logs.shape != weights.shape or logs.dim() == 0:
        return None
    return log, logs, weights


def _likelihood(graph: Walk, node: Node) -> Recognised | None:
    """`target * log(p)`, alone for classes or beside `(1 - target) * log(1 - p)` for yes and no."""
    found = _weighted(graph, node)
    if found is None:
        return None
    other, logs, weights = found
    if _complement(graph, other):
        return None  # the other half of a binary loss
    if any(n.op.name == "Log" and _complement(graph, n) for n in graph.nodes[:HEAD]):
        return Recognised("binary_cross_entropy", logs.exp(), weights)
    if weights.dim() == 2 and weights.shape[1] == 1 and bool((logs.abs() < SURE).all()):
        return Recognised("cross_entropy", logs, weights)  # the share of one unit of one
    if weights.dim() < 2 or weights.shape[1] < 2 or bool((weights < 0).any()):
        return None
    if not torch.allclose(weights.sum(1), torch.ones(()).to(weights), atol=1e-4):
        tags = bool(((weights == 0) | (weights == 1)).all())
        shares = logs.dim() == 2 and bool(((logs.exp().sum(1) - 1).abs() < SHARES).all())
        return Recognised("cross_entropy", logs, weights) if tags and shares else None
    return Recognised("nll_loss", logs, weights.argmax(1))


def _poisson(graph: Walk, node: Node) -> Recognised | None:
    """`p - target * log(p)`, where p may have been shifted off zero under the logarithm."""
    if len(node.op.inputs) != 2:
        return None
    rate, product = (graph.nodes[i] for i in node.op.inputs)
    found = _weighted(graph, product)
    if found is None or found[0].op.name != "Log":
        return None
    log, logs, counts = found
    if all(under is not rate for under in _guarded(graph, log)):
        return None
    return Recognised("poisson_nll_loss", logs, counts, rate.op.name)


def _called(graph: Walk, node: Node) -> Recognised | None:
    """A loss function of the library's own that was called unseen."""
    name = OWN.get(node.op.name)
    prediction, target = saved(node.live, "self"), saved(node.live, "target")
    if name is None or prediction is None or target is None:
        return None
    made = graph.nodes[node.op.inputs[0]].op.name if node.op.inputs else ""
    return Recognised(name, prediction, target, "" if name == "nll_loss" else made)


def _picked(graph: Walk, node: Node) -> Recognised | None:
    """`-log_p[range(n), y].mean()`, or the same by gather: the logarithm at each row's label.

    `Categorical(logits=x).log_prob(y)` leaves the latter. The logarithm may come last, too:
    `-p[range(n), y].log().mean()`.
    """
    late = node.op.name == "Log"
    if late:
        under = (n for n in _guarded(graph, node) if n.op.name in ("Index", "Gather"))
        node = next(under, node)
    if node.op.name not in ("Index", "Gather") or not node.op.inputs:
        return None
    made = graph.nodes[node.op.inputs[0]]
    while made.op.name == "Expand" and made.op.inputs:
        made = graph.nodes[made.op.inputs[0]]
    if late:
        shares = _shares(made)
        logs = shares.clamp_min(TINY).log() if shares is not None else None
    else:
        logs = _logs(made) if made.op.name != "Sub" else _normalised(graph, made)
    if logs is None or logs.dim() < 2:
        return None
    if node.op.name == "Gather":
        labels = saved(node.live, "index")
        if labels is not None and logs.dim() > 2:  # of tokens: classes last, as layers give them
            if labels.shape != (*logs.shape[:-1], 1):
                return None
            logs, labels = logs.movedim(-1, 1), labels[..., 0]
    else:
        places: tuple[Tensor | None, ...] = getattr(node.live, "_saved_indices", None) or ()
        labels = places[1] if len(places) == 2 else None
    rows = logs[:, 0]
    if labels is None or labels.is_floating_point() or labels.numel() != rows.numel():
        return None
    if not bool((labels >= 0).all()):
        return None  # counted from the end: python allows it, the library does not
    return Recognised("nll_loss", logs, labels.reshape(rows.shape))


def _logs(node: Node) -> Tensor | None:
    """The logarithms that a node has made."""
    if node.op.name == "LogSoftmax":
        return saved(node.live, "result")
    inside = saved(node.live, "self") if node.op.name == "Log" else None
    return inside.log() if inside is not None else None


def _shares(node: Node) -> Tensor | None:
    """The probabilities that a node has made, by a softmax or as `e / e.sum(1, keepdim=True)`."""
    if node.op.name == "Softmax":
        return saved(node.live, "result")
    if node.op.name != "Div":
        return None
    part, whole = saved(node.live, "self"), saved(node.live, "other")
    if part is None or whole is None or bool((part < 0).any()):
        return None
    shares = part / whole
    if shares.dim() != 2:
        return None
    sums = shares.sum(1)
    return shares if torch.allclose(sums, torch.ones_like(sums), atol=1e-4) else None


def _normalised(graph: Walk, node: Node) -> Tensor | None:
    """The logarithms that `x - x.logsumexp(1, keepdim=True)` has made."""
    for i in node.op.inputs[1:]:
        under = graph.nodes[i]
        x, total = saved(under.live, "self"), saved(under.live, "result")
        if under.op.name == "Logsumexp" and x is not None and total is not None:
            total = total if total.dim() == x.dim() else total[..., None]
            return x - total if total.shape == (*x.shape[:-1], 1) else None
    return None


def _complement(graph: Walk, node: Node) -> bool:
    """Whether a node takes the log of one minus something, perhaps clamped or shifted."""
    return any(under.op.name == "Rsub" for under in _guarded(graph, node))


def _guarded(graph: Walk, log: Node) -> Iterator[Node]:
    """What a logarithm is taken of, and what that was before it was clamped or shifted."""
    node = log
    for _ in range(3):
        if not node.op.inputs:
            return
        node = graph.nodes[node.op.inputs[0]]
        yield node
        if node.op.name not in GUARDS:
            return
