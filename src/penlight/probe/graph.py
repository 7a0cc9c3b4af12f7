"""Reads the autograd graph behind a loss: operations, shapes, leaves, activations.

The graph is a mine of evidence that needs nobody to name anything: it shows a softmax in front
of a cross-entropy, a broadcast difference, the parameters a loss reaches and those it does not.
Nodes are read, never changed. Results that autograd keeps anyway give the activations' numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from penlight.core import facts as f

SIZE = 6000  # nodes walked at most: a GPT of 48 blocks has about 2,500
SHAPES = frozenset(
    (
        "View",
        "Reshape",
        "ReshapeAlias",
        "UnsafeView",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Permute",
        "T",
        "Select",
        "Slice",
        "Expand",
        "Clone",
        "ToCopy",
        "Flatten",
        "Alias",
        "Unbind",
        "Movedim",
    )
)
SQUASHED = ("Sigmoid", "Tanh", "Softmax", "Relu")  # what a prediction may end in; autograd keeps it
MADE = "penlight"  # key under which a node's metadata names the module that made it
OUTPUT = "penlight output"  # likewise, for the output of a whole model: the tensor, detached


@dataclass
class Node:
    """A node of the walk, with the live autograd object."""

    live: Any
    op: f.Op
    leaf: Tensor | None


@dataclass
class Walk:
    """One walked graph."""

    nodes: list[Node]
    truncated: bool
    loss: Tensor  # detached

    def fact(self, step: int, optimizer: int) -> f.Graph:
        """The graph as a fact."""
        return f.Graph(
            step=step,
            optimizer=optimizer,
            ops=tuple(n.op for n in self.nodes),
            truncated=self.truncated,
        )

    def leaves(self) -> Iterator[Tensor]:
        """Leaf tensors the loss reaches."""
        return (n.leaf for n in self.nodes if n.leaf is not None)

    def activations(self) -> Iterator[tuple[int, str, Tensor]]:
        """(index, kind, result) of ReLU, sigmoid and tanh results that are still intact."""
        for index, node in enumerate(self.nodes):
            if node.op.name in ("Relu", "Sigmoid", "Tanh"):
                result = saved(node.live, "result")
                if result is not None:
                    yield index, node.op.name, result

    def upstream(self, index: int) -> tuple[str, bool]:
        """Module or parameter nearest upstream of a node; whether it is a convolution."""
        seen = {index}
        queue = deque(self.nodes[index].op.inputs)
        while queue:
            i = queue.popleft()
            if i in seen:
                continue
            seen.add(i)
            op = self.nodes[i].op
            for j in op.inputs:
                inner = self.nodes[j].op
                direct = inner.parameter or next(
                    (
                        self.nodes[k].op.parameter
                        for k in inner.inputs
                        if inner.name in ("T", "Transpose")
                    ),
                    "",
                )
                if direct and op.name not in (
                    "NativeBatchNorm",
                    "CudnnBatchNorm",
                    "NativeLayerNorm",
                    "Add",
                ):
                    return direct.rpartition(".")[0] or direct, op.name.startswith("Convolution")
            queue.extend(op.inputs)
        return "", False


def walk(loss: Tensor, names: Callable[[Tensor], str]) -> Walk | None:
    """Walk the graph of `loss` breadth first; None when it has none.

    Args:
        names: tensor -> parameter name ('' when unknown).
    """
    start = loss.grad_fn
    if start is None:
        return None
    order: list[Any] = [start]
    index: dict[Any, int] = {start: 0}
    queue = deque([start])
    truncated = False
    while queue:
        node = queue.popleft()
        for following, _ in node.next_functions:
            if following is None or following in index:
                continue
            if len(order) >= SIZE:
                truncated = True
                continue
            index[following] = len(order)
            order.append(following)
            queue.append(following)
    nodes = []
    for live in order:
        kind = operation(live)
        leaf = live.variable if kind == "AccumulateGrad" else None
        nodes.append(
            Node(
                live,
                f.Op(
                    name=kind,
                    shape=shape(live),
                    inputs=tuple(index[n] for n, _ in live.next_functions if n in index),
                    parameter=(names(leaf) or "?") if leaf is not None else "",
                    module=live.metadata.get(MADE, ""),
                    blocked=sum(n is None for n, _ in live.next_functions),
                    beside=beside(live) if kind == "Mul" else (),
                ),
                leaf,
            )
        )
    return Walk(nodes, truncated, loss.detach())


def maker(live: Any) -> str:
    """The operation behind a node, looking through mere changes of shape; '' at a leaf."""
    for node in _beneath(live):
        name = operation(node)
        if name not in SHAPES:
            return "" if name == "AccumulateGrad" else name
    return ""


def prediction(live: Any) -> Tensor | None:
    """A model's output that a node stands for, or a last activation, whoever applied it."""
    for node in _beneath(live):
        output = node.metadata.get(OUTPUT)
        if isinstance(output, Tensor):
            return output
        if operation(node) in SQUASHED and (made := saved(node, "result")) is not None:
            return made.detach()
    return None


def _beneath(live: Any) -> Iterator[Any]:
    """A node, and those under mere changes of shape, down to the first other one."""
    for _ in range(8):
        if live is None:
            return
        yield live
        if operation(live) not in SHAPES:
            return
        live = live.next_functions[0][0]


def operation(live: Any) -> str:
    """The plain name of a node's operation."""
    return plain(type(live).name(live))  # an instance may hold a `name` of the user's


def plain(name: str) -> str:
    """`torch::autograd::AccumulateGrad` -> AccumulateGrad, `MulBackward0` -> Mul."""
    name = name.rsplit("::", 1)[-1]
    return name.rstrip("0123456789").removesuffix("Backward") or name


def shape(live: Any) -> tuple[int, ...]:
    """Shape of the tensor a node made in the forward pass, () when unknown."""
    try:
        return tuple(int(n) for n in live._input_metadata[0].shape)
    except (AttributeError, IndexError, RuntimeError, TypeError):
        return ()


def beside(live: Any) -> tuple[int, ...]:
    """Shape of the constant factor of a product (n, n); () for other products."""
    whole = shape(live)
    if len(whole) != 2 or whole[0] != whole[1] or whole[0] < 2:
        return ()
    constant = [n is None for n, _ in live.next_functions]
    if sum(constant) != 1:
        return ()
    factor = saved(live, "self" if constant[0] else "other")
    return tuple(factor.shape) if factor is not None else ()


def saved(live: Any, what: str) -> Tensor | None:
    """A tensor that a node keeps for its backward pass, if it is there and unmodified."""
    try:
        value = getattr(live, f"_saved_{what}", None)
    except RuntimeError:  # freed, or changed in place since
        return None
    return value if isinstance(value, Tensor) else None
