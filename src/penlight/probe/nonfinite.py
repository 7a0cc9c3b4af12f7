"""Where the first NaN or infinity was born.

On a CPU looking at one number costs nothing, so every loss is looked at before its backward pass
and one gradient before every step: a non-finite value that arises in a backward pass travels
towards the input, so the first parameter's gradient shows it. Only when one is found does the
search begin, with the graph, weights and gradients of that very step still in place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from penlight.core import facts as f
from penlight.probe.graph import Walk, saved, walk
from penlight.probe.state import State, user_line
from penlight.signals.parameters import local

if TYPE_CHECKING:
    from penlight.probe.offenders import Offenders

MAKERS = {
    "Log": "log of a value that is zero or negative",
    "Log2": "log of a value that is zero or negative",
    "Log10": "log of a value that is zero or negative",
    "Log1P": "log1p of a value at or below -1",
    "Div": "division by zero or by a value that has vanished",
    "Reciprocal": "division by zero",
    "Sqrt": "square root of a negative number, or the slope of the root at zero, which is infinite",
    "Rsqrt": "inverse square root of zero or of a negative number",
    "Pow": "a power that overflows, or a root of a negative number",
    "Exp": "exp of a value above 88, which overflows float32",
    "Softmax": "softmax of a row that holds only -inf (everything masked) or a NaN",
    "LogSoftmax": "log-softmax of a row that holds only -inf (everything masked) or a NaN",
    "NllLoss": "a loss over targets that are all ignored, or of probability zero",
    "Acos": "arc cosine at or beyond 1",
    "Norm": "the slope of a norm at exactly zero",
    "LinalgVectorNorm": "the slope of a norm at exactly zero",
    "Std": "the slope of a standard deviation that is exactly zero",
    "Tan": "tangent near its pole",
}
STEEP = {
    "Sqrt": "the slope of a square root is infinite at zero",
    "Rsqrt": "the slope of an inverse square root is infinite at zero",
    "Norm": "the slope of a norm is undefined at exactly zero",
    "LinalgVectorNorm": "the slope of a norm is undefined at exactly zero",
    "Std": "the slope of a standard deviation is infinite where nothing varies",
    "Var": "the slope of a variance of one value is undefined",
    "Pow": "the slope of a power below 1 is infinite at zero",
    "Log": "the slope of the log is infinite at zero",
    "Div": "the slope of a division is infinite where the divisor is zero",
    "Acos": "the slope of the arc cosine is infinite at 1",
    "Atan2": "the slope of atan2 is undefined at the origin",
    "Softmax": "a row of a softmax held only -inf: everything in it was masked",
    "Exp": "an exponential overflowed",
    "Where": "torch.where passes the gradient of the branch that was not taken, times zero",
}
GLANCE = 4096  # entries of a gradient that are looked at every step: some 2 microseconds
HARMLESS_MOSTLY = ("Div", "Pow", "Exp", "Where", "Softmax", "Log")
CHAINS = ("result", "self", "other", "mat1", "input", "exponent", "target", "log_probs")


class NonFinites:
    """Finds and reports the first non-finite value of a run."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.found = False
        self.line = ""  # where the script calls backward
        self.last_finite: float | None = None
        self.offenders: Offenders | None = None

    # -- sentinels, every step ------------------------------------------------------------

    def loss(self, loss: Tensor) -> float | Tensor:
        """Look at a loss before its backward pass; gives its value, on a CPU as a number."""
        if loss.device.type != "cpu":
            return local(loss)
        value: float = local(loss).item()
        if math.isfinite(value):
            self.last_finite = value
        elif not self.found:
            self.found = True
            self._forward(loss)
        if not self.line:
            self.line = user_line(4)
        return value

    def suspicious(self, p: Tensor) -> bool:
        """Whether the gradient of one parameter, best the one nearest to the input, is broken."""
        grad = p.grad
        if self.found or grad is None or grad.device.type != "cpu":
            return False
        if type(grad) is not Tensor or grad.layout is not torch.strided or grad.is_complex():
            return self._elsewhere(grad)
        if grad.numel() > GLANCE:
            grad = grad.flatten()[:GLANCE] if grad.is_contiguous() else grad[:1]
        return not math.isfinite(grad.sum().item()) and nonfinite(grad)

    def _elsewhere(self, grad: Tensor) -> bool:
        """The same for a shard of a gradient; sparse and complex ones are left alone."""
        part = local(grad)
        if part.layout is not torch.strided or part.is_complex():
            return False
        return nonfinite(part.reshape(-1)[:GLANCE])

    def gradients(self, held: list[Tensor], ops: tuple[f.Op, ...]) -> None:
        """Report broken gradients.

        Args:
            held: the parameters in the optimiser's order.
            ops: the newest autograd graph that was walked.
        """
        self.found = True
        self._backward(held, ops)

    # -- the search -----------------------------------------------------------------------

    def _forward(self, loss: Tensor) -> None:
        state = self.state
        broken = self._weights()
        if broken:
            name, worst = broken
            state.write(
                f.NonFinite(
                    step=max(state.step - 1, 0),
                    direction="update",
                    module=name.rpartition(".")[0] or name,
                    op="optimizer.step",
                    reason=f"the step before left non-finite values in {name}",
                    batch=state.batches,
                    loss_before=self.last_finite,
                    weight_absmax=worst,
                )
            )
            return
        graph = walk(loss, state.models.parameter)
        index, op, reason, rows = self._first(graph) if graph else (0, "", "", ())
        if self.offenders is not None:
            self.offenders.broke()
        own = graph.nodes[index].op.module if graph else ""
        module = own or (graph.upstream(index)[0] if graph else "")
        state.write(
            f.NonFinite(
                step=state.step,
                direction="input" if op == "input" else "forward",
                module=module,
                inside=bool(own),
                op=op,
                source=self.state.models.lines.get(module, "") if own else user_line(4),
                reason=reason or "the loss became non-finite in the forward pass",
                batch=state.batches,
                rows=rows,
                loss_before=self.last_finite,
                weight_absmax=self._largest(),
            )
        )

    def _first(self, graph: Walk) -> tuple[int, str, str, tuple[int, ...]]:
        """The operation nearest to the input whose inputs are finite and whose result is not.

        Returns the node, operation, reason and the batch rows concerned. A node's result is known
        when it
        or a user of it kept the tensor for the backward pass.
        """
        for index in range(len(graph.nodes) - 1, -1, -1):
            node = graph.nodes[index]
            if node.leaf is not None:
                continue
            result = saved(node.live, "result")
            kept = [t for name in CHAINS[1:] if (t := saved(node.live, name)) is not None]
            inputs_bad = next((t for t in kept if t.is_floating_point() and nonfinite(t)), None)
            if inputs_bad is not None:
                maker = self._maker(graph, index, inputs_bad)
                if maker is None:
                    return (
                        index,
                        "input",
                        "the batch itself holds NaN or infinity",
                        rows_of(inputs_bad),
                    )
                return (
                    maker,
                    graph.nodes[maker].op.name,
                    self._why(graph, maker),
                    rows_of(inputs_bad),
                )
            if result is not None and result.is_floating_point() and nonfinite(result):
                return index, node.op.name, self._why(graph, index), rows_of(result)
            if node.op.name in MAKERS and kept and self._would(node.op.name, kept):
                return index, node.op.name, MAKERS[node.op.name], rows_at(node.op.name, kept)
        return 0, graph.nodes[0].op.name, self._why(graph, 0), ()

    def _maker(self, graph: Walk, index: int, tensor: Tensor) -> int | None:
        """The node that made the non-finite tensor kept by `index`: its input of that shape."""
        inputs = graph.nodes[index].op.inputs
        same = [
            i
            for i in inputs
            if graph.nodes[i].op.shape == tuple(tensor.shape) and graph.nodes[i].leaf is None
        ]
        return same[0] if same else None

    def _would(self, name: str, kept: list[Tensor]) -> bool:
        x = kept[0].detach()
        if not x.is_floating_point():
            return False
        if name in ("Log", "Log2", "Log10"):
            return bool((x <= 0).any())
        if name in ("Reciprocal", "Rsqrt"):
            return bool((x == 0).any())
        if name == "Div":
            return any(bool((t == 0).any()) for t in kept if t.is_floating_point())
        if name == "Exp":
            return bool((x > 88.7).any())
        return False

    def _why(self, graph: Walk, index: int) -> str:
        name = graph.nodes[index].op.name
        largest = self._largest()
        if name in MAKERS:
            return MAKERS[name]
        if largest is not None and largest > 1e6:
            return f"the numbers overflowed: weights have grown to {largest:.1e}"
        return f"{name} gave a non-finite result from finite inputs"

    def _backward(self, held: list[Tensor], ops: tuple[f.Op, ...]) -> None:
        state = self.state
        named = [(state.models.parameter(p) or str(tuple(p.shape)), p) for p in held]
        sick = [n for n, p in named if p.grad is not None and nonfinite(local(p.grad))]
        healthy = {n for n, _ in named} - set(sick)
        last = (sick[-1].rpartition(".")[0] or sick[-1]) if sick else ""
        op = steepest(ops, set(sick), healthy)
        what = f": {STEEP[op.name]}" if op is not None else ""
        state.write(
            f.NonFinite(
                step=state.step,
                direction="backward",
                module=(op.module if op is not None else "") or last,
                inside=bool(op is not None and op.module) or bool(healthy),
                op=op.name if op is not None else "",
                reason=f"the loss was finite, the gradient at {last} was not{what}",
                batch=state.batches,
                loss_before=self.last_finite,
                weight_absmax=self._largest(),
                source=state.models.lines.get(last, "") if healthy else self.line,
            )
        )

    def _weights(self) -> tuple[str, float | None] | None:
        for root in self.state.models.roots:
            model = root.module
            for name, p in model.named_parameters() if model is not None else ():
                if nonfinite(local(p)):
                    return self.state.models.parameter(p) or name, None
        return None

    def _largest(self) -> float | None:
        values = [
            float(local(p).abs().max())
            for root in self.state.models.roots
            if (model := root.module) is not None
            for p in model.parameters()
            if p.numel()
            and p.is_floating_point()
            and not isinstance(p, nn.parameter.UninitializedParameter)
        ]
        return max(values) if values else None


def steepest(ops: tuple[f.Op, ...], sick: set[str], healthy: set[str]) -> f.Op | None:
    """The operation that can have made the gradient non-finite.

    It lies on a way from the loss to a broken parameter and not behind a healthy layer; of
    several the one nearest to the loss.
    """
    reaches: list[set[str]] = [set() for _ in ops]
    for i in range(len(ops) - 1, -1, -1):
        reaches[i] = {ops[i].parameter} if ops[i].parameter else set()
        for j in ops[i].inputs:
            reaches[i] |= reaches[j]
    suspects = [
        op
        for op, below in zip(ops, reaches, strict=True)
        if op.name in STEEP and below & sick and not below & healthy
    ]
    return min(suspects, key=lambda op: op.name in HARMLESS_MOSTLY, default=None)


def nonfinite(x: Tensor) -> bool:
    """Whether a tensor holds NaN or infinity."""
    return not bool(torch.isfinite(x.detach()).all())


def rows_of(x: Tensor) -> tuple[int, ...]:
    """First eight rows (dimension 0) that hold a non-finite value."""
    if x.dim() < 1 or x.shape[0] < 2:
        return ()
    bad = ~torch.isfinite(x.detach().reshape(x.shape[0], -1)).all(1)
    return tuple(int(i) for i in bad.nonzero()[:8, 0])


def rows_at(name: str, kept: list[Tensor]) -> tuple[int, ...]:
    """Rows at which an operation such as log meets a value it cannot take."""
    x = kept[0].detach()
    if x.dim() < 1 or x.shape[0] < 2:
        return ()
    hit = (x <= 0) if name.startswith("Log") else (x == 0)
    return tuple(int(i) for i in hit.reshape(x.shape[0], -1).any(1).nonzero()[:8, 0])
