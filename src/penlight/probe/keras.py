"""Keras 3 on torch: how its layers, weights, optimisers and losses are seen.

A Keras layer is a torch module, but keeps its sublayers and weights in lists of its own. Its
optimisers are no torch optimisers, so their `apply` is watched; so are its losses.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from penlight.probe.guard import Patches

# By torch's name of a setting: Keras' name of it.
SETTINGS = {
    "p": "rate",
    "eps": "epsilon",
    "out_features": "units",
    "out_channels": "filters",
    "kernel_size": "kernel_size",
    "stride": "strides",
    "num_embeddings": "input_dim",
    "embedding_dim": "output_dim",
    "num_heads": "num_heads",
}
# By Keras' loss function: torch's of the same kind, for probabilities and for logits.
LOSSES = {
    "categorical_crossentropy": ("nll_of_shares", "cross_entropy"),
    "sparse_categorical_crossentropy": ("nll_of_shares", "cross_entropy"),
    "binary_crossentropy": ("binary_cross_entropy", "binary_cross_entropy_with_logits"),
    "mean_squared_error": ("mse_loss", "mse_loss"),
    "mean_absolute_error": ("l1_loss", "l1_loss"),
    "huber": ("huber_loss", "huber_loss"),
}


# -- layers -------------------------------------------------------------------------------


def is_layer(module: Any) -> bool:
    """Whether a module is a layer of Keras, or a whole model."""
    kinds = sys.modules.get("keras.src.layers.layer")
    kind = getattr(kinds, "Layer", None)
    return kind is not None and issubclass(type(module), kind)


def named_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """What `model.named_modules()` gives, with Keras' layers under the names that Keras shows."""
    if "keras" not in sys.modules:
        yield from model.named_modules()
        return
    seen: set[int] = set()

    def down(prefix: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        if id(module) in seen:
            return
        seen.add(id(module))
        yield prefix, module
        for name, child in _children(module):
            yield from down(f"{prefix}.{name}" if prefix else name, child)

    yield from down("", model)


def _children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    if not is_layer(module):
        return list(module.named_children())
    if is_wrapper(module):
        return [("module", getattr(module, "module"))]  # noqa: B009  # of a type unknown here
    if is_leaf(module):
        return []
    inner = [x for x in _sublayers(module) if type(x).__name__ != "InputLayer"]
    names = [str(x.name).replace(".", "_") for x in inner]
    return [
        (n if names.count(n) == 1 else f"{n}#{i}", x)
        for i, (n, x) in enumerate(zip(names, inner, strict=True))
    ]


def is_leaf(layer: nn.Module) -> bool:
    """Whether a layer counts as one: it has no others inside, or they are its own affair."""
    return not _sublayers(layer) or hasattr(layer, "cell") or hasattr(layer, "_query_dense")


def is_wrapper(layer: nn.Module) -> bool:
    """Whether a layer is there to hold a module of torch's."""
    return type(layer).__name__ == "TorchModuleWrapper"


def _sublayers(layer: nn.Module) -> list[Any]:
    return list(getattr(layer, "_layers", ()))


def named_variables(layer: Any, *, weights: bool = False) -> list[tuple[str, Any]]:
    """A layer's own variables with their names; a leaf's are all that are inside.

    Args:
        weights: leave out what is no weight, such as the running statistics of a batch norm.
    """
    if is_wrapper(layer):
        return []
    layers = [layer, *layer._flatten_layers(include_self=False)] if is_leaf(layer) else [layer]
    held = [v for x in layers for v in x._trainable_variables]
    held += [v for x in layers for v in x._non_trainable_variables if not weights]
    held = [v for v in held if isinstance(getattr(v, "_value", None), Tensor)]
    names = [str(v.name).replace(".", "_") for v in held]
    return [
        (n if names.count(n) == 1 else f"{n}#{i}", v)
        for i, (n, v) in enumerate(zip(names, held, strict=True))
    ]


def own_parameters(module: nn.Module) -> list[tuple[str, Tensor]]:
    """What `module.named_parameters(recurse=False)` gives, for Keras' layers, too."""
    if not is_layer(module):
        return list(module.named_parameters(recurse=False))
    return [(name, v._value) for name, v in named_variables(module, weights=True)]


def settings(layer: nn.Module) -> dict[str, Any]:
    """A layer's settings by torch's names."""
    found = {n: getattr(layer, k) for n, k in SETTINGS.items() if hasattr(layer, k)}
    if type(layer).__name__ == "BatchNormalization":
        found["momentum"] = 1.0 - float(getattr(layer, "momentum", 0.99))  # Keras': what stays
    if hasattr(layer, "cell"):
        found["hidden_size"] = found.pop("out_features", None)
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    return found | ({"activation": activation} if activation else {})


def activates(layer: nn.Module) -> bool:
    """Whether a layer of Keras with weights ends in an activation of its own."""
    if not is_layer(layer) or not getattr(layer, "_trainable_variables", ()):
        return False
    name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return name != "linear" and not hasattr(layer, "cell")


def squashes(layer: nn.Module) -> bool:
    """Whether that activation makes shares of it, which say nothing about the size of a signal."""
    name = getattr(getattr(layer, "activation", None), "__name__", "")
    return name in ("softmax", "sigmoid") and activates(layer)


def channels_last(model: nn.Module) -> bool:
    """Whether a model's images have their channels in the last dimension."""
    if not is_layer(model):
        return False
    module = sys.modules.get("keras.src.backend.config")
    read = getattr(module, "image_data_format", None)
    return read is not None and read() == "channels_last"


def training() -> bool:
    """Whether the Keras model that runs now was called with training=True."""
    state = sys.modules.get("keras.src.backend.common.global_state")
    read = getattr(state, "get_global_attribute", None)
    context = read("current_call_ctx") if read is not None else None
    return bool(getattr(context, "training", False))


# -- optimisers ---------------------------------------------------------------------------


class KerasOptimizer:
    """Looks like a torch optimiser to the probe."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.given: list[Any] = []  # variables of the call, where it was not built before

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """One group: the variables it trains, and its settings by torch's names."""
        inner = self.inner
        values = [v.value for v in getattr(inner, "_trainable_variables", None) or self.given]
        decay = getattr(inner, "weight_decay", 0.0)
        return [
            {
                "params": values,
                "lr": float(inner.learning_rate),
                "momentum": float(getattr(inner, "momentum", 0.0) or 0.0),
                "weight_decay": float(decay or 0.0),
                "eps": float(getattr(inner, "epsilon", 0.0) or 0.0),
                "betas": tuple(
                    float(b)
                    for n in ("beta_1", "beta_2")
                    if (b := getattr(inner, n, None)) is not None
                ),
            }
        ]


def watch(
    patches: Patches,
    before: Callable[[Any, Any, Any], None],
    after: Callable[[Any, Any, Any], None],
) -> None:
    """Wrap `BaseOptimizer.apply`; does nothing where keras has no such class or another backend."""
    try:
        from keras.src.backend import backend
        from keras.src.optimizers.base_optimizer import BaseOptimizer
    except ImportError:
        return
    if backend() != "torch":
        return
    known: WeakKeyDictionary[Any, KerasOptimizer] = WeakKeyDictionary()
    apply = BaseOptimizer.apply

    @functools.wraps(apply)
    def watched(this: Any, *args: Any, **kwargs: Any) -> Any:
        if this not in known:
            kind = type(type(this).__name__, (KerasOptimizer,), {})  # its name is the record's
            known[this] = kind(this)
        seen = known[this]
        seen.given = args[1] if len(args) > 1 else kwargs.get("trainable_variables") or []
        before(seen, (), {})
        result = apply(this, *args, **kwargs)
        after(seen, (), {})
        return result

    patches.replace(BaseOptimizer, "apply", watched)


# -- losses -------------------------------------------------------------------------------


def watch_losses(patches: Patches, begun: Callable[[Any], bool], seen: Callable[..., Any]) -> None:
    """Wrap the calls of Keras' losses.

    Args:
        begun: called with the loss before the outermost call: whether anybody wants to know.
        seen: called with (loss, y_true, y_pred, sample_weight, result) after the outermost call.
    """
    try:
        from keras.src.losses.loss import Loss
        from keras.src.trainers.compile_utils import CompileLoss
    except ImportError:
        return
    inside = False

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def watched(
            this: Any, y_true: Any, y_pred: Any, sample_weight: Any = None, *args: Any, **kw: Any
        ) -> Any:
            nonlocal inside
            if inside or torch.compiler.is_compiling() or not begun(this):
                return call(this, y_true, y_pred, sample_weight, *args, **kw)
            inside = True
            try:
                result = call(this, y_true, y_pred, sample_weight, *args, **kw)
            finally:
                inside = False
            seen(this, y_true, y_pred, sample_weight, result)
            return result

        return watched

    for kind in (Loss, CompileLoss):
        if "__call__" in vars(kind):
            patches.replace(kind, "__call__", wrap(kind.__call__))


def kind_of_loss(loss: Any) -> str:
    """Torch's name for a loss of Keras'; "" where it has none of the kind, or several at once."""
    loss = _single(loss)
    names = LOSSES.get(getattr(getattr(loss, "fn", None), "__name__", ""))
    if names is None:
        return ""
    given = getattr(loss, "_fn_kwargs", {})
    return "" if given.get("label_smoothing") else names[bool(given.get("from_logits"))]


def reduction(loss: Any) -> str:
    """What a loss of Keras' makes of its rows, in torch's words: "mean", "sum" or "none"."""
    own = getattr(_single(loss), "reduction", None)
    return {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum"}.get(str(own), "none")


def _single(loss: Any) -> Any:
    """The one loss that a model was compiled with; None where it has several."""
    parts = getattr(loss, "_flat_losses", None)
    if parts is None:
        return loss
    return parts[0].loss if len(parts) == 1 else None
