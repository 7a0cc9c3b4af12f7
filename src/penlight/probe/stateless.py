"""A Keras training step as the exam wants it: on weights of its own, without a trace.

Keras' layers compute with whatever tensors a `StatelessScope` names for their variables, and leave
the variables alone meanwhile. So a copy of a Keras model is a copy of its weights: the layers are
shared, nothing has to be serialised, and a model of the user's own class is no special case.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from penlight.probe import keras

TOLD = ("Sequential", "Functional", "Bidirectional", "MultiHeadAttention")  # hand on the mode
NARROW = ("Dense", "Dropout", "Activation", "Flatten", "InputLayer", "ReLU", "Rescaling")


class UnrepeatableError(Exception):
    """The script's model cannot be copied or called again: no fault of ours."""


class Shared:
    """What all copies of a model share: its layers, and which weight is whose."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.variables = list(_variables(model))
        layers = [m for _, m in keras.named_modules(model)]
        if any(not keras.is_layer(m) or keras.is_wrapper(m) for m in layers):
            raise UnrepeatableError("a module of torch's is inside of a Keras model")
        self.strange = [m for m in layers if not type(m).__module__.startswith("keras.")]
        self.direct: bool | None = None  # whether the short way gives the same; None: not tried
        if self.strange or any(_guarded(m) for m in layers):
            self.direct = False

    def __deepcopy__(self, memo: Any) -> Shared:
        return self


class Stateless(nn.Module):
    """A Keras model that computes with the parameters of this module.

    Made anew it holds the model's own tensors; only copies of it may be called. `training` is
    handed on to the layers.

    Raises:
        UnrepeatableError: a part of the model keeps its weights elsewhere.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.shared = Shared(model)
        for name, variable in self.shared.variables:
            *path, last = name.split(".")
            place: nn.Module = self
            for part in path:
                if part not in place._modules:
                    place.add_module(part, nn.Module())
                place = place.get_submodule(part)
            place.register_parameter(last, variable._value)

    def forward(self, *args: Tensor) -> Any:
        if self.shared.direct is None:
            with torch.no_grad():
                self.shared.direct = False
                usual = self._compute(args, training=False)
                self.shared.direct = True
                self.shared.direct = _same(self, args, usual)
        return self._compute(args, self.training)

    def _compute(self, args: Sequence[Tensor], training: bool) -> Any:
        from keras.src.backend.common.stateless_scope import StatelessScope

        shared, model = self.shared, self.shared.model
        own = dict(self.named_parameters())
        scope = StatelessScope(initialize_variables=False)
        scope.state_mapping |= {id(v): own[name] for name, v in shared.variables}
        with _as_it_was(shared.strange), scope:
            if shared.direct:
                output = _directly(model, args, training)
            else:
                mode = {"training": training} if model._call_has_training_arg else {}
                output = model(*args, **mode)
        with torch.no_grad():
            for name, variable in shared.variables:
                new = scope.state_mapping[id(variable)]
                if not variable.trainable and new is not own[name]:
                    own[name].copy_(new)
        return output


@dataclass(frozen=True)
class Loss:
    """A loss of Keras', called as torch's are, that leaves its own counters alone."""

    inner: Any

    @property
    def mean(self) -> bool:
        """Whether it is the mean over the rows of a batch."""
        return keras.reduction(self.inner) == "mean"

    def __call__(self, output: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Any:
        from keras.src.backend.common.stateless_scope import StatelessScope

        try:
            with StatelessScope(initialize_variables=False):
                return self.inner(target, output, sample_weight)
        except Exception as error:
            raise UnrepeatableError(f"{type(error).__name__}: {error}") from error


class Twin:
    """A new optimiser of Keras' like another one, over plain parameters, with torch's face."""

    def __init__(self, kind: type[Any], config: dict[str, Any], group: dict[str, Any]) -> None:
        from keras.src.backend import Variable

        self.parameters: list[Tensor] = group["params"]
        self.inner = kind.from_config({**config, "learning_rate": group["lr"]})
        self.variables = [Variable(p) for p in self.parameters]
        self.inner.build(self.variables)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Move the parameters."""
        with torch.no_grad():
            self.inner.apply([p.grad for p in self.parameters], self.variables)


@dataclass(frozen=True)
class Twins:
    """Makes optimisers like one of Keras', from groups of parameters."""

    kind: type[Any]
    config: dict[str, Any]

    @classmethod
    def of(cls, optimizer: keras.KerasOptimizer) -> Twins:
        """As it is set now."""
        return cls(type(optimizer.inner), dict(optimizer.inner.get_config()))

    def __call__(self, groups: list[dict[str, Any]]) -> Twin:
        try:
            return Twin(self.kind, self.config, groups[0])
        except Exception as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def widened(model: Stateless, narrow: int, wide: int) -> Stateless | None:
    """The same with narrow hidden layers of `wide` units, freshly drawn; None where none is narrow.

    Only for stacks of dense layers.
    """
    inner: Any = model.shared.model
    layers = [m for _, m in keras.named_modules(inner) if m is not inner]
    dense: list[Any] = [m for m in layers if type(m).__name__ == "Dense"]
    known = not model.shared.strange and all(type(m).__name__ in NARROW for m in layers)
    if len(dense) < 2 or min(m.units for m in dense[:-1]) > narrow or not known:
        return None

    def larger(layer: Any) -> Any:
        config = layer.get_config()
        if layer in dense[:-1]:
            config["units"] = max(wide, layer.units)
        return type(layer).from_config(config)

    try:
        from keras.src.models.cloning import clone_model

        return Stateless(clone_model(inner, clone_function=larger))
    except Exception as error:
        raise UnrepeatableError(f"{type(error).__name__}: {error}") from error


@contextlib.contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Puts back what building and calling layers draws from: random numbers, running names.

    Args:
        model: what is called meanwhile; anything else than a `Stateless` draws from torch alone.
    """
    if not isinstance(model, Stateless):
        yield
        return
    from keras.src.backend.common import global_state

    numpy: Any = sys.modules["numpy"]
    dice, python, names = numpy.random.get_state(), random.getstate(), "object_name_uids"
    used = global_state.get_global_attribute(names)
    kept = dict(used) if used is not None else None
    try:
        yield
    finally:
        numpy.random.set_state(dice)
        random.setstate(python)
        if used is not None and kept is not None:
            used.clear()
            used.update(kept)


@contextlib.contextmanager
def _as_it_was(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Gives layers of the user's own classes their plain attributes back: counters, lists."""
    before = [(vars(m), dict(vars(m))) for m in layers]
    values = [v for _, kept in before for v in kept.values()]
    lists = [(v, list(v)) for v in values if isinstance(v, list)]
    dicts = [(v, dict(v)) for v in values if isinstance(v, dict)]
    try:
        yield
    finally:
        for now, kept in before:
            now.clear()
            now.update(kept)
        for items, old in lists:  # past Keras' own kind of list, which would tell the layer
            list.__setitem__(items, slice(None), old)
        for table, entries in dicts:
            dict.clear(table)
            dict.update(table, entries)


def _guarded(layer: Any) -> bool:
    """Whether a call of a layer does more than its `call`: masks, losses, other number types."""
    kind = type(layer).__name__
    masks = kind == "Masking" or getattr(layer, "mask_zero", False)
    mixed = layer.compute_dtype != layer.variable_dtype
    # Others take the mode of what is inside of them from the call around.
    nested = bool(layer._layers) and not hasattr(layer, "cell") and kind not in TOLD
    return bool(masks or mixed or nested or layer.activity_regularizer is not None)


def _directly(model: Any, args: Sequence[Tensor], training: bool) -> Any:
    """The way through a graph of layers past the checks that Keras makes at each of their calls."""
    graph = getattr(model, "_functional", None) or model

    def inner(layer: Any) -> Any:
        mode = {"training": training} if getattr(layer, "_call_has_training_arg", False) else {}
        return lambda *args, **kwargs: layer.call(*args, **kwargs | mode)

    output = graph._run_through_graph(graph._standardize_inputs(args[0]), inner)
    single = isinstance(output, (list, tuple)) and len(output) == 1
    return output[0] if single else output


def _same(model: Stateless, args: Sequence[Tensor], usual: Any) -> bool:
    try:
        short = model._compute(args, training=False)
    except Exception:  # no graph, or one of another version of Keras
        return False
    return isinstance(short, Tensor) and isinstance(usual, Tensor) and torch.equal(short, usual)


def _variables(model: Any) -> Iterator[tuple[str, Any]]:
    """Each variable once, under the name that the record has for it; states of chance, too."""
    seen: set[int] = set()
    for prefix, layer in keras.named_modules(model):
        for name, variable in keras.named_variables(layer) if keras.is_layer(layer) else ():
            if id(variable) not in seen:
                seen.add(id(variable))
                yield (f"{prefix}.{name}" if prefix else name), variable
    others = [v for v in model.variables if id(v) not in seen]
    yield from ((f"state{i}", v) for i, v in enumerate(others))
