"""Keeps a few training batches and the model's first state, so that steps can be replayed.

A step can be replayed when the model was called with plain tensors and constants, and the loss
came from one call of a known loss function on its output, reshaped or cut as `FORMS` has it, or
inside of the model, which is then replayed up to that call; of a Keras model, when it came from any
loss of Keras'. Whether it really can is checked by value. Only small models are kept; everything is
a copy.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from time import thread_time
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from penlight.probe import keras
from penlight.probe.models import Root
from penlight.probe.rows import first_layer
from penlight.probe.state import State, first_tensor
from penlight.probe.stateless import Loss, Stateless, Twins
from penlight.probe.stateless import UnrepeatableError as UnrepeatableError  # noqa: PLC0414

MODEL_BYTES = 32 << 20  # largest model that is copied
BATCH_BYTES = 32 << 20  # of the batches kept, together
FIRST = 24  # batches kept from the start
LAST = 12  # newest batches kept
CONSTANTS = bool | int | float | str | None  # arguments of a call that need no copy
SAME = 1e-4  # relative difference of two losses up to which they are one
WHOLE = 1 << 20  # numbers: outputs of more are compared by their first rows
# What a script may do to an output before the loss sees it, reshaping aside: (N, T, C) each.
FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "whole": lambda output: output,
    "classes second": lambda output: output.transpose(1, -1),
    "without the last": lambda output: output[:, :-1],
    "without the last, classes second": lambda output: output[:, :-1].transpose(1, -1),
    "last": lambda output: output[:, -1],
}


HOLE: Any = object()  # stands for a tensor


@dataclass(frozen=True)
class Recipe:
    """How a model is called: constants where they were, HOLE where a tensor goes."""

    positional: tuple[Any, ...] = (HOLE,)
    named: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, positional: Iterable[Any], named: dict[str, Any]) -> Recipe:
        """Of the arguments of a call."""
        return cls(
            tuple(HOLE if isinstance(a, Tensor) else a for a in positional),
            tuple((k, HOLE if isinstance(a, Tensor) else a) for k, a in named.items()),
        )

    def filled(self, tensors: Iterable[Tensor]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call with these tensors, in their order."""
        rest = iter(tensors)
        positional = [next(rest) if a is HOLE else a for a in self.positional]
        return positional, {k: next(rest) if a is HOLE else a for k, a in self.named}


class Tap(threading.local):
    """What the loss functions are given on this thread while a model is replayed up to its own."""

    given: list[tuple[Tensor, Tensor]] | None = None
    target: Tensor | None = None  # of the newest such replay


class OutOfTimeError(Exception):
    """The experiments have had the time that they may take."""


@dataclass
class Batch:
    """Copies of what one training step was given."""

    step: int
    args: tuple[Tensor, ...]
    name: str  # loss function
    target: Tensor
    kwargs: dict[str, Any]
    shape: tuple[int, ...]  # the output's shape as the loss saw it
    loss: float
    function: Callable[..., Any] | None = None  # the loss itself, where the name is just its kind
    form: str = "whole"  # what was done to the model's output before, one of FORMS

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(t.numel() * t.element_size() for t in (*self.args, self.target))


class Capture:
    """What the exam needs of one training; empty when its steps cannot be replayed.

    Args:
        functions: loss functions by name.
        taps: those that tell `tap`.
        follows: it began after another one.
    """

    def __init__(
        self,
        state: State,
        functions: dict[str, Any],
        taps: dict[str, Callable[..., Any]],
        tap: Tap,
        *,
        follows: bool = False,
    ) -> None:
        self.state = state
        self.functions = functions
        self.taps = taps
        self.tap = tap
        self.follows = follows
        # Steps of its first pass, 0 where it follows none, and of its newest one; as far as seen.
        self.since = self.until = state.step
        self.recipe = Recipe()
        self.inside = ""  # the loss function that the model calls itself
        self.first: list[Batch] = []
        self.last: deque[Batch] = deque(maxlen=LAST)
        self.label = ""  # what the script's model is called
        self._source: Callable[[], nn.Module | None] = lambda: None
        self._model: Callable[[], nn.Module | None] = lambda: None
        self.ids = False  # its inputs are places in a table, whatever their type of number
        self.channels = 1  # dimension of the channels in a batch of images
        self.start: dict[str, Tensor] = {}
        self.modes: dict[str, bool] = {}
        self.learning: set[str] = set()  # parameters that were to get a gradient then
        self.optimizer: tuple[Callable[..., Any], list[dict[str, Any]]] | None = None
        self.off = False
        self.deadline = math.inf  # of this thread's time: no pass begins after it
        self._pending: tuple[Root, tuple[Tensor, ...], Tensor] | None = None
        self._held: tuple[Root, tuple[Tensor, ...], Tensor] | None = None
        self._own: list[Batch] = []  # losses that the newest pass has computed itself
        self._bytes = 0

    @property
    def source(self) -> nn.Module | None:
        """The script's own model; None: not met, or the script has dropped it."""
        return self._source()

    @property
    def model(self) -> nn.Module | None:
        """The same, or what computes it on weights of its own; None where it cannot be copied."""
        return self._model()

    def _grip(self, model: nn.Module) -> Callable[[], nn.Module | None]:
        """A model that is kept; weakly where another one is, but for what is made of Keras'."""
        if self.follows and not keras.is_layer(model) and not isinstance(model, Stateless):
            return ref(model)
        return lambda: model

    def stay(self) -> None:
        """Keep the model until the experiments, whatever the script does with it."""
        source, model = self.source, self.model
        self._source, self._model = lambda: source, lambda: model

    def forward(
        self, root: Root, positional: tuple[Any, ...], named: dict[str, Any], output: Tensor
    ) -> None:
        """A training forward pass of a root has ended."""
        self._own.clear()
        self.until = self.state.step
        if keras.is_layer(root.module):
            named = {}  # the mode, which a copy of such a model is told by other means
        given = (*positional, *named.values())
        tensors = tuple(a for a in given if isinstance(a, Tensor))
        plain = all(a.dim() if isinstance(a, Tensor) else isinstance(a, CONSTANTS) for a in given)
        if self.off or not plain or not tensors or output.device.type != "cpu":
            return
        recipe = Recipe.of(positional, named)
        if (self.first or self.last) and recipe != self.recipe:
            return
        model = root.module
        if model is None:
            return
        if self.source is None:
            self._source, self.label = self._grip(model), root.label
            self.off = not self._take(root, model)
            if self.off:
                return
        self.recipe = recipe
        self._pending = (root, tuple(a.detach() for a in tensors), output.detach())

    def _take(self, root: Root, model: nn.Module) -> bool:
        """Decide for a model; False when it is too large, or cannot be copied."""
        copied = model
        if keras.is_layer(model):
            try:
                copied = Stateless(model)
            except Exception as error:  # names that no module can have, torch's modules inside
                self.state.blinded("replays", f"the model cannot be copied ({error})")
                return False
            copied.training = keras.training()
            self.channels = -1 if keras.channels_last(model) else 1
        if sum(t.numel() * t.element_size() for t in copied.state_dict().values()) > MODEL_BYTES:
            return False
        self.ids = type(first_layer(root)).__name__.startswith("Embedding")
        self._model = self._grip(copied)
        return True

    def objective(
        self,
        name: str,
        x: Tensor,
        y: Tensor,
        given: dict[str, Any],
        loss: Tensor,
        *,
        inside: bool = False,
    ) -> None:
        """A training loss was computed; `given` are all arguments of the call.

        Args:
            inside: by the model itself, whose pass has just ended. `backward` tells whether that is
                what is learnt by: it may be a penalty.
        """
        pending = self._pending
        if not inside:
            self._pending = None
        if self.off or pending is None or loss.numel() != 1:
            return
        _, args, output = pending
        extra = {k: v for k, v in given.items() if k not in ("input", "target")}
        value, shape = float(loss.detach()), tuple(x.shape)
        if inside:
            self._own.append(Batch(self.state.step, args, name, y.detach(), extra, shape, value))
            return
        form = self._form(output, x.detach())
        if form is not None and not self.inside:
            self._keep(args, name, y, extra, shape, value, form=form)

    def backward(self, loss: Tensor) -> None:
        """A backward pass begins: keep what the model's own loss, or a share of it, was made of."""
        if self._pending is None or len(self._own) != 1 or loss.numel() != 1:
            return
        self._pending, own = None, self._own.pop()
        parts = own.loss / (float(loss.detach()) or math.nan)
        if not parts > 0.5 or abs(parts - round(parts)) > SAME * parts:
            return
        if self.inside in ("", own.name) and (self.inside or not self.first):
            self.inside = own.name
            self._keep(own.args, own.name, own.target, own.kwargs, own.shape, own.loss)

    def _form(self, output: Tensor, x: Tensor) -> str | None:
        """What made a loss's input of the model's output; None: something else."""
        for name, form in FORMS.items() if output.dim() > 2 else [("whole", FORMS["whole"])]:
            made = form(output)
            if made.numel() != x.numel():
                continue
            given = x.reshape(made.shape)
            if x.numel() >= WHOLE:  # the replay's loss is checked as well
                made, given = made[:4], given[:4]
            if torch.equal(made, given):
                return name
        return None

    def hold(self) -> None:
        """A loss of Keras' begins: the newest pass is its own, not that of torch's loss inside."""
        self._held, self._pending = self._pending, None

    def keras_objective(self, loss: Any, y: Any, x: Any, weights: Any, result: Any) -> None:
        """A loss of Keras' was computed."""
        pending, self._held = self._held, None
        if self.off or pending is None or not all(isinstance(t, Tensor) for t in (x, y, result)):
            return
        _, args, output = pending
        if (
            not result.requires_grad
            or result.numel() != 1
            or x.shape != output.shape
            or not torch.equal(output, x.detach())
        ):
            return
        if weights is not None and not isinstance(weights, Tensor):
            return
        extra = {} if weights is None else {"sample_weight": weights.detach().clone()}
        name = keras.kind_of_loss(loss)
        value = float(result.detach())
        self._keep(args, name, y, extra, tuple(x.shape), value, Loss(loss))

    def _keep(
        self,
        args: tuple[Tensor, ...],
        name: str,
        y: Tensor,
        extra: dict[str, Any],
        shape: tuple[int, ...],
        loss: float,
        function: Callable[..., Any] | None = None,
        form: str = "whole",
    ) -> None:
        size = sum(t.numel() * t.element_size() for t in (*args, y))
        if size > BATCH_BYTES // 8:
            return
        batch = Batch(
            self.state.step,
            tuple(a.detach().clone() for a in args),
            name,
            y.detach().clone(),
            extra,
            shape,
            loss,
            function,
            form,
        )
        if len(self.first) < FIRST and self._bytes + size < BATCH_BYTES:
            self.first.append(batch)
            self._bytes += size
        else:
            self.last.append(batch)

    def snapshot(self) -> None:
        """Copy the weights as they are."""
        if self.model is not None and self.first:
            self.modes = {name: m.training for name, m in self.model.named_modules()}
            self.learning = {n for n, p in self.model.named_parameters() if p.requires_grad}
            self.start = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def before_first_step(self, optimizer: Optimizer | keras.KerasOptimizer) -> None:
        """The weights are still those of the first batch: copy them if it was replayable.

        They are the initial ones, but for a training that follows another: not all of its steps are
        looked at.
        """
        if self.state.step and not self.follows:
            return
        if self.off or self.model is None or not self.first or self.optimizer is not None:
            return
        held = {id(p) for g in optimizer.param_groups for p in g["params"]}
        if not any(id(p) in held for p in self.model.parameters()):
            return
        self.snapshot()
        groups = []
        for group in optimizer.param_groups:
            names = [
                n for n, p in self.model.named_parameters() if any(p is q for q in group["params"])
            ]
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": names})
        if isinstance(optimizer, keras.KerasOptimizer):
            self.optimizer = (Twins.of(optimizer), groups)
        else:
            self.optimizer = (type(optimizer), groups)

    def descent(self, group: dict[str, Any]) -> None:
        """The script moves the weights of a group along their gradients, by its learning rate."""
        if self.model is None or not self.start or self.optimizer is not None:
            return
        held = {id(p) for p in group["params"]}
        names = [n for n, p in self.model.named_parameters() if id(p) in held]
        if names:
            self.optimizer = (torch.optim.SGD, [{**group, "params": names}])

    def train(self, model: nn.Module) -> None:
        """Put a copy into the modes that the model had when its training began."""
        for name, module in model.named_modules():
            module.training = self.modes.get(name, True)

    def feature_dim(self, x: Tensor) -> int:
        """Where the features of an input lie: the channels of an image, else the last dimension."""
        return self.channels if x.dim() == 4 else -1

    def thaw(self, model: nn.Module) -> None:
        """Let a copy's parameters learn that did when the training began."""
        for name, p in model.named_parameters():
            if name in self.learning:
                p.requires_grad_()

    def call(self, model: nn.Module, args: tuple[Tensor, ...]) -> Any:
        """The model's output.

        Raises:
            UnrepeatableError: it does not run a second time on its own.
            OutOfTimeError: it is too late to begin.
        """
        if thread_time() > self.deadline:
            raise OutOfTimeError
        positional, named = self.recipe.filled(args)
        try:
            if self.inside:
                return self._tapped(lambda: model(*positional, **named), len(args[0]))
            return model(*positional, **named)
        except Exception as error:
            raise UnrepeatableError(f"{type(error).__name__}: {error}") from error

    def output(self, model: nn.Module, args: tuple[Tensor, ...]) -> Tensor:
        """The tensor of the model's output that counts as its prediction.

        Raises:
            UnrepeatableError: there is none, or it does not run a second time on its own.
            OutOfTimeError: it is too late to begin.
        """
        output = first_tensor(self.call(model, args))
        if output is None:
            raise UnrepeatableError("it gives no tensor")
        return output

    def step(self, optimizer: Any, loss: Tensor) -> None:
        """One step of a copy's optimiser.

        Raises:
            UnrepeatableError: the graph or the optimiser refuses.
        """
        try:
            loss.backward()
            optimizer.step()
        except Exception as error:
            raise UnrepeatableError(f"{type(error).__name__}: {error}") from error

    def aims(self, batch: Batch) -> bool:
        """Whether the newest replay had the targets of its batch: a model may draw its own anew,
        as the noise that a diffusion model is asked for."""
        return not self.inside or (
            self.tap.target is not None and torch.equal(self.tap.target.detach(), batch.target)
        )

    def _tapped(self, run: Callable[[], Any], rows: int) -> Tensor:
        """What a model gives its own loss; by row and place where places were made rows of it."""
        name = self.inside
        usual, self.tap.given = getattr(functional, name), []
        setattr(functional, name, self.taps[name])
        try:
            run()
            ((x, self.tap.target),) = self.tap.given
        finally:
            setattr(functional, name, usual)
            self.tap.given = None
        places = x.dim() == 2 and len(x) != rows and len(x) % rows == 0
        return x.reshape(rows, -1, x.shape[1]) if places else x

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss of a batch under `model`, through the loss function the script used.

        What Keras' layers add to it stays away, as does a penalty that a script adds by hand.
        """
        return self.compare(self.prediction(model, batch), batch)

    def prediction(self, model: nn.Module, batch: Batch) -> Tensor:
        """What the loss function is given for a batch under `model`, besides the target."""
        output = FORMS[batch.form](self.output(model, batch.args))
        if output.shape != batch.shape:  # a view has lost Keras' mask
            output = output.reshape(batch.shape)
        return output

    def merged(self, batches: list[Batch]) -> list[Batch]:
        """Batches of Keras' put together: a call of its layers takes long, however few the rows."""
        first = batches[0] if batches else None
        if first is None or not isinstance(first.function, Loss) or not first.function.mean:
            return batches
        alike = all(
            not b.kwargs
            and b.shape == first.shape
            and b.target.shape == first.target.shape
            and [a.shape for a in b.args] == [a.shape for a in first.args]
            for b in batches
        )
        rows = first.args[0].shape[:1] == first.target.shape[:1] == first.shape[:1] != ()
        if not alike or not rows:
            return batches
        columns = zip(*(b.args for b in batches), strict=True)
        return [
            replace(
                first,
                args=tuple(torch.cat(column) for column in columns),
                target=torch.cat([b.target for b in batches]),
                shape=(first.shape[0] * len(batches), *first.shape[1:]),
            )
        ]

    def compare(self, output: Tensor, batch: Batch) -> Tensor:
        """The loss of an output, of the shape that the loss saw, on a batch's target."""
        known = batch.function or self.functions.get(batch.name)
        function = known or getattr(functional, batch.name)
        try:
            result: Tensor = function(output, batch.target, **batch.kwargs)
        except RuntimeError:  # binary_cross_entropy refuses a probability that is NaN
            if bool(output.isfinite().all()):
                raise
            result = output.sum() * math.nan
        return result
