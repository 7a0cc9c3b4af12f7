"""What was seen once, as typed values: the structure of a run rather than its curves.

The probe writes each fact as one JSON event `{"fact": <kind>, ...fields}`; `decode` turns an
event back into the value. Unknown fields are ignored and missing ones take their default, so
that runs of other versions stay readable. Shapes are tuples of ints; steps count the optimiser
steps of the whole run from 0.
"""

# ruff: noqa: PLC0414  # the aliases tell mypy that these names are given on

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from penlight.core.fact import Fact as Fact
from penlight.core.loop_facts import NAMED as NAMED
from penlight.core.loop_facts import Accumulation as Accumulation
from penlight.core.loop_facts import AskedColumns as AskedColumns
from penlight.core.loop_facts import Carried as Carried
from penlight.core.loop_facts import Feed as Feed
from penlight.core.loop_facts import Hygiene as Hygiene
from penlight.core.loop_facts import Loading as Loading
from penlight.core.loop_facts import Padding as Padding
from penlight.core.loop_facts import Peers as Peers
from penlight.core.loop_facts import Reads as Reads
from penlight.core.loop_facts import Repeated as Repeated
from penlight.core.loop_facts import Resume as Resume
from penlight.core.loop_facts import Sampler as Sampler
from penlight.core.loop_facts import Scales as Scales
from penlight.core.loop_facts import Schedule as Schedule
from penlight.core.loop_facts import Shard as Shard


@dataclass(frozen=True, slots=True)
class Header(Fact):
    """Who ran what, when, with which versions."""

    kind: ClassVar[str] = "header"
    penlight: str = ""
    script: str = ""
    argv: tuple[str, ...] = ()
    started: float = 0.0
    mode: str = "run"  # run, watch, check, import
    torch: str = ""
    python: str = ""
    device: str = "cpu"
    rank: int = 0
    world: int = 1


@dataclass(frozen=True, slots=True)
class Module(Fact):
    """One leaf module that ran in a training forward pass, in order of first execution."""

    kind: ClassVar[str] = "module"
    name: str = ""
    type: str = ""  # class name, e.g. Linear
    order: int = 0
    root: str = ""  # class name of the model it belongs to
    output_shape: tuple[int, ...] = ()
    calls: int = 1  # calls in one forward pass
    settings: dict[str, Any] = field(default_factory=dict)  # e.g. p, momentum, dim
    source: str = ""  # file:line where it was built, when known
    input_shape: tuple[int, ...] = ()
    recut_from: tuple[int, ...] = ()  # its input is the memory of a tensor of this shape, swapped


@dataclass(frozen=True, slots=True)
class Parameter(Fact):
    """One trainable or frozen tensor of a watched model, or a leaf the loss reaches outside it."""

    kind: ClassVar[str] = "parameter"
    name: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    requires_grad: bool = True
    registered: bool = True  # in some model's parameters()
    optimised: bool = True  # in some optimiser's groups
    reached: bool | None = None  # by the graph of a training loss; None: never looked at
    used: bool | None = None  # its module ran in a training forward pass; None: unknown
    module: str = ""
    module_type: str = ""
    root: str = ""
    units_last: bool = False  # a matrix with its units in the last dimension, as Keras has them
    equal_rows: bool = False  # a weight whose rows (units) were all identical at the start
    mean: float = 0.0  # of the values at the start
    std: float = 0.0
    since: int = 0  # steps done at that start: later for a layer that was put in later
    source: str = ""

    @property
    def units(self) -> int:
        """Units, or channels, of the layer whose weight matrix this is."""
        return self.shape[-1 if self.units_last else 0]

    @property
    def fan_in(self) -> int:
        """Numbers that one unit of a weight matrix weighs."""
        return math.prod(self.shape[:-1] if self.units_last else self.shape[1:])


OWN = "own-update"  # type of optimiser: a script that moves its weights itself


@dataclass(frozen=True, slots=True)
class Optimizer(Fact):
    """One optimiser as it stood at its first step."""

    kind: ClassVar[str] = "optimizer"
    index: int = 0
    type: str = ""
    lr: float = 0.0
    momentum: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, ...] = ()
    eps: float = 0.0
    maximize: bool = False
    decoupled: bool = False  # weight decay beside the gradient, as in AdamW
    groups: int = 1
    parameters: int = 0  # tensors
    frozen: int = 0  # tensors with requires_grad=False among them
    source: str = ""

    @property
    def own(self) -> bool:
        """Whether it is no optimiser, but the script that moves its weights itself."""
        return self.type == OWN

    @property
    def named(self) -> str:
        """With its learning rate, as a sentence names it."""
        if not self.own:
            return f"{self.type}(lr={self.lr:g})"
        return "the script's own update" + (f" ({self.lr:g} times the gradient)" if self.lr else "")

    @property
    def adaptive(self) -> bool:
        """Whether the optimiser divides the gradient's scale out (Adam and its relatives)."""
        return any(
            word in self.type.lower()
            for word in (
                "adam",
                "rmsprop",
                "adagrad",
                "adadelta",
                "lion",
                "rprop",
                "radam",
                "nadam",
            )
        )


@dataclass(frozen=True, slots=True)
class Op:
    """One node of the autograd graph: operation, output shape, inputs (indices into the graph)."""

    name: str  # without the 'Backward0'
    shape: tuple[int, ...] = ()
    inputs: tuple[int, ...] = ()
    parameter: str = ""  # the leaf's name, for AccumulateGrad nodes
    module: str = ""  # leaf module that produced this output, when known
    blocked: int = 0  # inputs through which no gradient flows: constants, detached tensors
    beside: tuple[int, ...] = ()  # shape of such a factor, where a product is (n, n)


@dataclass(frozen=True, slots=True)
class Graph(Fact):
    """The autograd graph behind one training loss, nodes in order from the loss backwards.

    `ops[0]` is the loss. Inputs come after their users. `truncated` says that the walk stopped
    at the size limit.
    """

    kind: ClassVar[str] = "graph"
    step: int = 0
    optimizer: int = 0
    ops: tuple[Op, ...] = ()
    truncated: bool = False

    @classmethod
    def revive(cls, event: dict[str, Any]) -> Graph:
        """Build from an event whose ops are plain lists or dicts."""
        ops = []
        for raw in event.get("ops", ()):
            known: dict[str, Any] = {
                item.name: tuple(value) if isinstance(value, list) else value
                for item in fields(Op)
                if item.name in raw and fits(value := raw[item.name], str(item.type))
            }
            ops.append(Op(**{"name": "?"} | known))
        if any(not 0 <= i < len(ops) for op in ops for i in op.inputs):
            ops = []
        return cls(
            step=int(event.get("step", 0)),
            optimizer=int(event.get("optimizer", 0)),
            ops=tuple(ops),
            truncated=bool(event.get("truncated", False)),
        )


@dataclass(frozen=True, slots=True)
class Objective(Fact):
    """One loss function as called from one place, with what went into it.

    Written on first sight and again when the run ends; the last one counts. Extremes are over
    the calls that were looked at (`looked`), in the phase named by `phase`.
    """

    kind: ClassVar[str] = "objective"
    site: str = ""  # e.g. "cross_entropy@train.py:31"
    function: str = ""  # cross_entropy, nll_loss, mse_loss, ...
    by_hand: bool = False  # the script computes it itself; recognised from the graph
    phase: str = "train"
    source: str = ""
    input_shape: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()
    input_dtype: str = ""
    target_dtype: str = ""
    reduction: str = "mean"
    weighted: bool = False
    weights: tuple[float, ...] = ()  # of the classes, at first sight
    label_smoothing: float = 0.0
    ignore_index: int | None = None
    target_learnt: bool = False  # the target has a gradient, too: it is an output
    expansion: float = 1.0  # elements compared / elements of the larger tensor
    input_min: float | None = None
    input_max: float | None = None
    row_sum_error: float | None = None  # max |sum_c input - 1| along the class dimension
    logsumexp_error: float | None = None  # max |logsumexp_c input| along the class dimension
    input_op: str = ""  # graph op that made the input, e.g. Softmax, Relu, Sigmoid
    multi_hot: float | None = None  # share of rows of 0 and 1 that hold several 1s, classes only
    first_loss: float | None = None  # per target, at the first training call
    first_logit_var: float | None = None  # mean over rows of the variance across classes
    calls: int = 0
    looked: int = 0


@dataclass(frozen=True, slots=True)
class Inputs(Fact):
    """Statistics of what the model is fed in training, over the first batches.

    Features are the last dimension of a matrix or a sequence, the channels of an image.
    """

    kind: ClassVar[str] = "inputs"
    root: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    samples: int = 0
    features: int = 0
    min: float = 0.0
    max: float = 0.0
    mean: float = 0.0
    std: float = 0.0
    integral: bool = False  # all values are whole numbers
    constant_features: int = 0
    std_ratio: float | None = None  # largest / smallest std of the non-constant features
    max_offset: float | None = None  # largest |mean| / std of the non-constant features
    largest_feature_std: float | None = None
    largest_feature_rms: float | None = None
    condition: float | None = None  # lambda_max / lambda_min of X^T X / N, columns not constant
    nonfinite: int = 0
    zero_share: float = 0.0
    normalised_first: bool = False  # the first module with parameters is a normalisation
    embedded: bool = False  # the input goes into an Embedding: values are ids
    repeated_rows: float = 0.0  # share of rows equal to an earlier row


@dataclass(frozen=True, slots=True)
class Targets(Fact):
    """Statistics of the training targets given to one loss function, over the first batches.

    Of class indices some later batches are counted as well, where few were looked at.
    """

    kind: ClassVar[str] = "targets"
    objective: str = ""
    samples: int = 0
    dtype: str = ""
    integral: bool = False
    min: float = 0.0
    max: float = 0.0
    mean: tuple[float, ...] = ()  # per target column (at most 64)
    std: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()  # mean |y - median|, of losses by absolute errors
    classes: tuple[int, ...] = ()  # count of each class index from 0, classification only
    distinct: int | None = None  # distinct values, None when more than 1000
    sorted_share: float | None = None  # share of batches holding one class only, multi-class data
    entropy: float | None = None  # H(y) in nats, classification only
    ignored: float = 0.0  # share of class indices that are the loss's ignore_index
    moved: float = 0.0  # how far the mean of the newest batch lies off, in standard deviations


@dataclass(frozen=True, slots=True)
class Predictions(Fact):
    """Train or evaluation predictions against targets, over one window or evaluation pass.

    For classification `labels`, `predicted` and `correct` are counts per class. `loss` is per
    target. `paired_t` compares per-sample losses with those of the best evaluation so far on
    the same samples (positive: worse now).
    """

    kind: ClassVar[str] = "predictions"
    phase: str = "eval"
    objective: str = ""
    step: int = 0  # training steps done when it was taken
    samples: int = 0
    loss: float | None = None
    accuracy: float | None = None
    explained: float | None = None
    labels: tuple[int, ...] = ()
    predicted: tuple[int, ...] = ()
    correct: tuple[int, ...] = ()
    output_std: float | None = None
    paired_t: float | None = None
    best_step: int | None = None
    training_rows: float | None = None  # share of its input rows also seen in training
    modules_training: int = 0  # dropout / batch-norm modules in training mode meanwhile


@dataclass(frozen=True, slots=True)
class NonFinite(Fact):
    """The first non-finite value and where it was born."""

    kind: ClassVar[str] = "nonfinite"
    step: int = 0
    direction: str = "forward"  # forward, backward, update, input
    module: str = ""
    inside: bool = True  # the operation is the module's own; False: it follows the module's output
    op: str = ""
    reason: str = ""  # a sentence about what made it
    batch: int | None = None  # training batches since the start
    rows: tuple[int, ...] = ()  # sample indices inside that batch, at most 8
    loss_before: float | None = None
    weight_absmax: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Offender(Fact):
    """One row of the data that a finding speaks of, made small. Kept only if the user asks for it.

    `values` are in the order of `shape`: (height, width) of an image with its channels averaged,
    else (n,) numbers from place `start` of the row on.
    """

    kind: ClassVar[str] = "offender"
    why: str = ""  # nonfinite, leaked
    step: int = 0
    batch: int | None = None  # training batches since the start; None for an evaluation
    row: int = 0  # its place in the batch
    whole: tuple[int, ...] = ()  # the row's own shape
    integral: bool = False  # whole numbers, such as tokens
    start: int = 0
    shape: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Exam(Fact):
    """One experiment on copies of the model and batches, outside the training's own path.

    `name` tells which; `values` holds its numbers. See `penlight.probe.exam`. `since` is the step
    at which the training began that was experimented with: not 0 where another one came before.
    """

    kind: ClassVar[str] = "exam"
    name: str = ""
    step: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    since: int = 0


LATER = "later training"  # the objective that `Targets` names: those of that training alone


@dataclass(frozen=True, slots=True)
class Later(Fact):
    """The experiments were made with a training that began after another one and took longer."""

    kind: ClassVar[str] = "later"
    since: int = 0  # step at which it began
    root: str = ""
    objective: str = ""


@dataclass(frozen=True, slots=True)
class Blind(Fact):
    """Something the probe could not see, and why."""

    kind: ClassVar[str] = "blind"
    what: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Parallel(Fact):
    """How several ranks share one training."""

    kind: ClassVar[str] = "parallel"
    data: bool = False  # each trains on its own part of the batch: DDP, FSDP2
    # Parameter -> parts in which it lies; ranks beyond that hold copies.
    shards: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act(Fact):
    """Something that Penlight did to the training because the user asked for it."""

    kind: ClassVar[str] = "act"
    step: int = 0
    what: str = ""  # "with": an edit in memory; "guard": a step dropped, or the run ended
    says: str = ""  # one sentence


@dataclass(frozen=True, slots=True)
class Fault(Fact):
    """A fault of Penlight itself: the part named was switched off."""

    kind: ClassVar[str] = "fault"
    part: str = ""
    error: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class End(Fact):
    """How the run ended and what watching it cost."""

    kind: ClassVar[str] = "end"
    script_exit: int | None = None
    error: str = ""  # one line about the exception that ended the script
    steps: int = 0
    seconds: float = 0.0  # from the first to the last optimiser step
    wall: float = 0.0  # whole script
    cost: float = 0.0  # seconds spent inside Penlight


KINDS: dict[str, type[Fact]] = {
    cls.kind: cls
    for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, Fact) and cls is not Fact
}

F = TypeVar("F", bound=Fact)
PLAIN: dict[str, Any] = {"str": str, "int": int, "float": (int, float)}


def decode(event: dict[str, Any]) -> Fact | None:
    """Turn a stored event into its fact; None for a kind this version does not know.

    A run may come from anywhere: values of the wrong type are dropped for their default.
    """
    cls = KINDS.get(str(event.get("fact")))
    if cls is None:
        return None
    if cls is Graph:
        return Graph.revive(event)
    values = {
        item.name: tuple(value) if isinstance(value, list) else value
        for item in fields(cls)
        if item.name in event and fits(value := event[item.name], str(item.type))
    }
    return cls(**values)


def fits(value: Any, annotation: str) -> bool:
    """Whether a JSON value is of a fact's annotated type."""
    for kind in annotation.split(" | "):
        if kind.startswith("tuple["):
            inner = kind[6:-1].removesuffix(", ...")
            if isinstance(value, (list, tuple)) and all(fits(v, inner) for v in value):
                return True
        elif kind.startswith("dict["):
            if isinstance(value, dict):
                return True
        elif kind == "None":
            if value is None:
                return True
        elif kind == "bool":
            if isinstance(value, bool):
                return True
        elif not isinstance(value, bool) and isinstance(value, PLAIN[kind]):
            return True
    return False
