"""Reads the autograd graph of a loss: which layers lead to it and what lies between them.

A graph is walked from the loss (node 0) towards the inputs of the model. Raw data is no node, so
an operation on one activation and one batch of targets shows a single input.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from penlight.core.facts import Graph, Objective, Op
from penlight.core.run import Run

# Operations that take some of the values.
PARTED = frozenset((
    "Select", "Slice", "Index", "Narrow", "AsStrided", "Split", "UnsafeSplit", "Unbind",
))  # fmt: skip
# Operations that move or convert values but leave every value as it is.
SHAPE = frozenset((
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "T", "Transpose", "Permute", "Squeeze",
    "Unsqueeze", "Clone", "ToCopy", "Contiguous", "Alias", "Expand",
)) | PARTED  # fmt: skip
MATMUL = frozenset(("Addmm", "Mm", "Bmm", "Baddbmm", "Addbmm", "Mv", "Addmv", "Linear", "Matmul"))
CONVOLUTION = frozenset((
    "Convolution", "ConvolutionOverrideable", "MkldnnConvolution", "CudnnConvolution",
    "CudnnConvolutionTranspose", "MiopenConvolution", "ThnnConv2D", "SlowConv2D",
))  # fmt: skip
BATCH_NORM = frozenset(("NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm"))
# Maps that keep a stack of layers affine (batch norm is affine once its statistics are fixed).
AFFINE = frozenset((
    "NativeDropout", "FusedDropout", "Neg", "Mean", "Sum", "Cat", "Stack", "ConstantPadNd",
    "AvgPool2D", "AvgPool3D", "AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "UpsampleNearest1D",
    "UpsampleNearest2D", "UpsampleBilinear2D", "Repeat",
)) | SHAPE | BATCH_NORM  # fmt: skip
JOINS = frozenset(("Cat", "Stack"))  # what may bring raw data in beside the layers
# What a handwritten error is made of. A kernel, say, takes the exponential of all differences.
ERROR = SHAPE | {
    "Mean", "Sum", "Add", "Sub", "Rsub", "Mul", "Div", "Neg", "Pow", "Square", "Sqrt", "Abs",
}  # fmt: skip
# ... that is cut off where it is large: Huber's by hand, the clipped objectives of PPO.
CUT = ERROR | {"Maximum", "Minimum", "Where", "Clamp"}
POOLS = frozenset(("MaxPool2DWithIndices", "MaxPool3DWithIndices", "AdaptiveMaxPool2D"))
SOFTMAX = frozenset(("Softmax", "SafeSoftmax"))
# What a weight may pass through on its way from the parameter into a layer.
REPARAMETRISED = SHAPE | {"WeightNormInterface", "Mul", "Div"}
# The node a loss function of torch.nn.functional leaves, and which of its inputs is the prediction.
LOSSES = {
    "cross_entropy": ("NllLoss", "NllLoss2D"),
    "nll_loss": ("NllLoss", "NllLoss2D"),
    "binary_cross_entropy": ("BinaryCrossEntropy",),
    "binary_cross_entropy_with_logits": ("BinaryCrossEntropyWithLogits",),
    "mse_loss": ("MseLoss",),
    "smooth_l1_loss": ("SmoothL1Loss",),
    "huber_loss": ("HuberLoss",),
    "soft_margin_loss": ("SoftMarginLoss",),
}


class Wiring:
    """One graph, with the questions that detectors ask of it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ops: tuple[Op, ...] = graph.ops
        self.names = tuple(_plain(op.name) for op in graph.ops)

    @cached_property
    def users(self) -> tuple[tuple[int, ...], ...]:
        """For each node the nodes nearer to the loss that take it as an input."""
        found: list[list[int]] = [[] for _ in self.ops]
        for i, op in enumerate(self.ops):
            for j in op.inputs:
                found[j].append(i)
        return tuple(tuple(u) for u in found)

    @cached_property
    def _weights(self) -> frozenset[int]:
        """Parameters, and what is made of parameters alone by reshaping or reparametrising."""
        found = {i for i, name in enumerate(self.names) if name == "AccumulateGrad"}
        made = [i for i, name in enumerate(self.names) if name in REPARAMETRISED]
        grew = True
        while grew:
            more = {
                i
                for i in made
                if i not in found and self.ops[i].inputs and found.issuperset(self.ops[i].inputs)
            }
            grew = bool(more)
            found |= more
        return frozenset(found)

    def data(self, i: int) -> tuple[int, ...]:
        """The inputs of a node that carry data, not weights."""
        return tuple(j for j in self.ops[i].inputs if j not in self._weights)

    def weight(self, i: int) -> str:
        """Name of the widest parameter that a layer applies; '' when it is frozen or unknown."""
        queue = [j for j in self.ops[i].inputs if j in self._weights]
        names: list[tuple[int, str]] = []
        while queue:
            j = queue.pop()
            if self.ops[j].parameter:
                names.append((len(self.ops[j].shape), self.ops[j].parameter))
            queue += self.ops[j].inputs
        return next((n for _, n in names if n.endswith("weight")), max(names, default=(0, ""))[1])

    def place(self, i: int) -> str:
        """Name of the module a node belongs to, as well as it is known."""
        return self.ops[i].module or self.weight(i).rpartition(".")[0] or self.weight(i)

    def is_layer(self, i: int) -> bool:
        """A linear map with weights: Linear or convolution, not a product of two activations."""
        if self.names[i] in CONVOLUTION:
            return True
        return self.names[i] in MATMUL and len(self.data(i)) <= 1

    def is_recurrent(self, i: int) -> bool:
        """A fused LSTM or GRU."""
        return "Rnn" in self.names[i] or "Lstm" in self.names[i] or "Gru" in self.names[i]

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """All linear layers, nearest to the loss first."""
        return tuple(i for i in range(len(self.ops)) if self.is_layer(i))

    @cached_property
    def head(self) -> frozenset[int]:
        """The nodes between the loss and the last layers, without those and without weights."""
        found: set[int] = set()
        queue = [0] if self.ops else []
        while queue:
            i = queue.pop()
            if i in found or i in self._weights or self.is_layer(i) or self.is_recurrent(i):
                continue
            found.add(i)
            queue += self.ops[i].inputs
        return frozenset(found)

    def below(self, i: int, through: Collection[str] = SHAPE) -> int | None:
        """The node that makes a node's data, seen through harmless operations.

        None when there is no such node or more than one. A bias added by hand is seen through.
        """
        data = self.data(i)
        while len(data) == 1:
            j = data[0]
            biased = self.names[j] == "Add" and len(self.ops[j].inputs) > len(self.data(j))
            if self.names[j] not in through and not biased:
                return j
            data = self.data(j)
        return None

    def behind(self, start: int, avoiding: int = -1) -> frozenset[int]:
        """Every node that a node depends on, itself included, not looking past `avoiding`."""
        found: set[int] = set()
        queue = [start]
        while queue:
            i = queue.pop()
            if i not in found and i != avoiding:
                found.add(i)
                queue += self.ops[i].inputs
        return frozenset(found)

    def is_bottleneck(self, i: int) -> bool:
        """Whether all data on its way to the loss passes through this node."""
        inner = self.behind(i) - {i} - self._weights
        around = self.behind(0, avoiding=i) - self._weights
        return bool(inner) and not inner & around

    def is_entrance(self, i: int) -> bool:
        """Whether this layer is the only one that reads raw data, and nothing is joined later."""
        joined = any(
            op.blocked and name in JOINS for op, name in zip(self.ops, self.names, strict=True)
        )
        return not self.data(i) and not joined and all(self.data(j) for j in self.layers if j != i)

    def parameters(self) -> frozenset[str]:
        """Names of the parameters that the loss reaches."""
        return frozenset(op.parameter for op in self.ops if op.parameter)

    def all_with_all(self) -> int | None:
        """Where a handwritten error pairs each of N values with all N of raw data.

        It is a difference or product (N, N) of predictions (N, 1) or (N,) and data of the other
        of these shapes. Distances that go on to an exponential, the largest of many or a matrix
        product are meant, and so are those of a prediction that was given its second axis on
        purpose.
        """
        queue = [0] if self.ops else []
        for i in queue:
            if self._crossed(i):
                return i
            if self.names[i] in CUT:
                found = (j for j in self.data(i) if j not in queue)
                queue += [j for j in found if not self._penalty(j)]
        return None

    def _crossed(self, i: int) -> bool:
        op = self.ops[i]
        if self.names[i] not in ("Sub", "Mul") or len(op.inputs) != 1 or len(op.shape) != 2:
            return False
        wide, narrow = op.shape, self.ops[op.inputs[0]].shape
        n = wide[0]
        if n < 2 or wide != (n, n) or self.names[op.inputs[0]] == "Unsqueeze":
            return False
        if self.names[i] == "Mul":  # a product keeps its factor, which may be (N, N) on purpose
            return {narrow, op.beside} == {(n, 1), (n,)}
        return narrow in ((n, 1), (n,))

    def _penalty(self, i: int) -> bool:
        """Whether a term is made of weights alone: no layer stands behind it."""
        return not any(self.is_layer(j) for j in self.behind(i))

    def made_by(self, function: str) -> list[int]:
        """The nodes that make the input of a loss function, one for each of its calls."""
        found = []
        for i in sorted(self.head):
            if self.names[i] in LOSSES.get(function, ()):
                j = self.below(i)
                if function == "cross_entropy" and j is not None:
                    j = self.below(j) if self.names[j] == "LogSoftmax" else None
                if j is not None:
                    found.append(j)
        return found


def wirings(run: Run) -> Iterator[Wiring]:
    """The graphs of a run, ready to be asked; those that were too large to walk are left out."""
    return (Wiring(g) for g in run.graphs if g.ops and not g.truncated)


def output_op(run: Run, objective: Objective) -> str:
    """Name of the operation that made an objective's input; '' when unknown or not always one."""
    seen = {w.names[i] for w in wirings(run) for i in w.made_by(objective.function)}
    if len(seen) == 1:
        return seen.pop()
    return _plain(objective.input_op) if objective.input_op else ""


def _plain(name: str) -> str:
    """`MulBackward1` -> Mul."""
    return name.rstrip("0123456789").removesuffix("Backward") or name


def attends(run: Run) -> bool:
    """Whether the model uses attention, of torch's or written out."""
    names = {op.name for graph in run.graphs for op in graph.ops}
    fused = any("DotProduct" in name for name in names)
    written = "Softmax" in names and "Bmm" in names
    return fused or written or any("Attention" in m.type for m in run.modules)
