"""Recognises an overlap of prediction and mask in a handwritten loss, and which way it counts.

`2 * (p * y).sum() / (p.sum() + y.sum())` is Dice's coefficient, with the product taken off below
it is the intersection over union. Both are recognised by value, whatever they are smoothed by and
summed over. An overlap is to grow: it has to come into the loss with a minus, or taken from one.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from penlight.core import facts as f
from penlight.probe.graph import SHAPES, Node, Walk, prediction, saved
from penlight.probe.state import State

NEAR = 80  # nodes nearest to the loss that are looked at
DEEP = 8  # nodes between a quotient and the product in it
SMOOTH = 2.0  # most that is added to either side against a division by zero
SAME = 1e-3  # of the sums, by which two of them may differ
INSIDE = SHAPES | {"Mul", "Add", "Sum", "Abs", "Mean"}
RISING = SHAPES | {"Add", "Sum", "Mean", "Log", "Clamp", "ClampMin", "ClampMax", "Pow", "Sqrt"}


class Overlaps:
    """The overlap in the losses of a run.

    Writes one `Exam` named "overlap": its mean at the "first" and the "last" loss that was looked
    at, its "sign" in them (1: the loss grows with it), and so many "looks".
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.values: list[float] = []
        self.signs: set[int] = set()

    def look(self, graph: Walk) -> None:
        """A loss is about to be learnt from."""
        found = overlap(graph)
        if found is not None:
            self.values.append(found[0])
            self.signs.add(found[1])

    def finish(self) -> None:
        """Write what was seen."""
        if len(self.signs) != 1:
            return
        values = {
            "first": self.values[0],
            "last": self.values[-1],
            "sign": self.signs.pop(),
            "looks": len(self.values),
        }
        self.state.write(f.Exam(name="overlap", step=self.state.step, values=values))


def overlap(graph: Walk) -> tuple[float, int] | None:
    """Mean overlap in a loss, and its sign there; None where there is none, or of both signs."""
    found = []
    for i, node in enumerate(graph.nodes[:NEAR]):
        if node.op.name != "Div" or len(node.op.inputs) != 2:
            continue
        above, below = saved(node.live, "self"), saved(node.live, "other")
        if above is None or below is None or above.shape != below.shape:
            continue
        for answer, mask in _products(graph, node.op.inputs[0]):
            if _is_overlap(above, below, answer, mask):
                found.append((float((above / below).detach().mean()), _sign(graph, i)))
                break
    signs = {sign for _, sign in found}
    return found[0] if len(signs) == 1 and 0 not in signs else None


def _products(graph: Walk, start: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Products of a prediction and a mask that a numerator is made of."""
    queue = [start]
    for i in queue:  # it grows
        node = graph.nodes[i]
        if node.op.name not in INSIDE:
            continue
        if node.op.name == "Mul" and node.op.blocked == 1:
            first = node.live.next_functions[0][0]
            side = first if first is not None else node.live.next_functions[1][0]
            mask = saved(node.live, "other" if first is not None else "self")
            answer = prediction(side)
            if answer is not None and mask is not None and mask.numel() == answer.numel():
                yield answer.reshape(mask.shape), mask
        queue += [j for j in node.op.inputs if j not in queue and len(queue) < DEEP]


def _is_overlap(above: Tensor, below: Tensor, answer: Tensor, mask: Tensor) -> bool:
    """Whether a quotient is that of an intersection and of both sizes, or of their union."""
    if not bool(((mask == 0) | (mask == 1)).all()) or not bool(((answer - 0.5).abs() <= 0.5).all()):
        return False
    p, y = answer.double(), mask.double()
    if above.shape == p.shape[: above.dim()]:
        dims = tuple(range(above.dim(), p.dim()))
    elif above.dim() == 1 and above.shape[0] == p.shape[1]:
        dims = (0, *range(2, p.dim()))  # of each class, over the batch
    else:
        return False
    if not dims:
        return False
    both = (p * y).sum(dims)
    sizes = [(p**k).sum(dims) + y.sum(dims) for k in (1, 2)]
    halves = any(_same(above, k * both) for k in (1, 2))
    return halves and any(_same(below, s) or _same(below, s - both) for s in sizes)


def _same(seen: Tensor, meant: Tensor) -> bool:
    """Whether two sums are one, up to a constant that smooths."""
    added = seen.double() - meant
    near = SAME * float(meant.abs().max()) + 1e-6
    return bool((added.amax() - added.amin() <= near) and (-near <= added.mean() <= SMOOTH + near))


def _sign(graph: Walk, start: int) -> int:
    """1 where the loss grows with a node, -1 where it falls; 0 where nobody knows."""
    users: dict[int, list[int]] = {}
    for i, node in enumerate(graph.nodes[:NEAR]):
        for j in node.op.inputs:
            users.setdefault(j, []).append(i)
    sign, here = 1, start
    while here:
        above = users.get(here, [])
        if len(above) != 1:
            return 0
        sign *= _through(graph.nodes[above[0]], graph.nodes[here])
        if not sign:
            return 0
        here = above[0]
    return sign


def _through(node: Node, part: Node) -> int:
    """Which way a node's result moves with one of its inputs."""
    name = node.op.name
    if name in RISING:
        return 1
    if name in ("Neg", "Rsub"):
        return -1
    at = next((k for k, (n, _) in enumerate(node.live.next_functions) if n is part.live), 0)
    if name == "Sub":
        return -1 if at else 1
    if name in ("Mul", "Div") and len(node.op.inputs) == 1 and not (name == "Div" and at):
        factor = saved(node.live, "self" if at else "other")
        if factor is None or bool((factor >= 0).all()):
            return 1
        return -1 if bool((factor <= 0).all()) else 0
    return 0
