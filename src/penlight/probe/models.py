"""Which models there are, and what their modules and parameters are called.

Nobody names the model to us. A root is the outermost module of a forward pass that holds
parameters; a root that turns out to be part of a larger one takes that one's names. Models are
held by weak reference: a script that drops a model gets its memory back.
"""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import ReferenceType, ref

from torch import Tensor, nn

from penlight.core import facts as f
from penlight.probe import keras
from penlight.probe.state import State, measurable, user_frame
from penlight.signals.parameters import local

ASSIGNED = re.compile(r"\s*([A-Za-z_]\w*)\s*(?::[^=]+)?=(?!=)")
STOCHASTIC = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.modules.batchnorm._BatchNorm,
)
NORM = re.compile(r"batch_?norm|^bn", re.IGNORECASE)  # classes that users write themselves
SETTINGS = (
    "training", "p", "dim", "momentum", "eps", "bias", "negative_slope", "inplace", "num_layers",
    "dropout",
    "bidirectional", "in_features", "out_features", "in_channels", "out_channels", "kernel_size",
    "stride", "groups", "num_embeddings", "embedding_dim", "padding_idx", "num_heads",
    "track_running_stats", "normalized_shape", "num_features", "hidden_size", "input_size",
)  # fmt: skip


@dataclass(frozen=True)
class Start:
    """A parameter's values at first sight.

    Attributes:
        tensor: the parameter. Where another tensor takes its name, a new one begins; where it
            takes another name itself, within a layer that was put around its own, it is known.
        step: training steps done by then.
        equal_rows: whether all rows of a weight were the same.
    """

    tensor: ReferenceType[Tensor]
    step: int
    equal_rows: bool
    mean: float
    std: float


@dataclass
class Root:
    """One watched model."""

    ref: ReferenceType[nn.Module]
    label: str
    first: bool = True  # goes by bare names; later models have their label in front
    stochastic: list[tuple[str, ReferenceType[nn.Module]]] = field(default_factory=list)
    trained: bool = False  # took part in a training backward pass
    waited: bool = False  # began to train while another one's batches were being kept
    order: dict[str, int] = field(default_factory=dict)  # leaf name -> order of first execution
    start: dict[str, Start] = field(default_factory=dict)
    # Parameters that some optimiser has held: the optimiser may be gone before the model is.
    optimised: set[str] = field(default_factory=set)

    @property
    def module(self) -> nn.Module | None:
        """The model, None once the script has dropped it."""
        return self.ref()

    def loose(self, within: nn.Module | None = None) -> list[str]:
        """Names of dropout and batch-norm modules that are in training mode now.

        Args:
            within: only those of this part of the model.
        """
        part = None if within is None else {id(m) for m in within.modules()}
        return [
            name
            for name, r in self.stochastic
            if (m := r()) is not None and m.training and (part is None or id(m) in part)
        ]

    def renamed(self, p: Tensor, name: str) -> Start | None:
        """The start of a parameter that had another name until now; None if it is new."""
        if name in self.start:
            self.optimised.discard(name)
        for old, start in self.start.items():
            if start.tensor() is p:
                self.start[name] = start
                if old in self.optimised:
                    self.optimised.add(name)
                return start
        return None

    def fresh_norms(self) -> list[str]:
        """Names of batch norms whose running statistics are still those of the beginning."""
        found = []
        model = self.module
        for name, module in keras.named_modules(model) if model is not None else ():
            mean, var = statistics(module)
            if mean is None or var is None or mean.is_meta:
                continue
            # Not by the count of batches: statistics that came from elsewhere may be without one.
            if not bool(mean.any()) and bool((var == 1).all()):
                found.append(name)
        return found


class Models:
    """Registry of roots, names and the source lines where modules were built."""

    def __init__(self) -> None:
        self.roots: list[Root] = []
        self.replicas = False  # a model is trained by DistributedDataParallel
        self.modules: dict[int, tuple[Root, str]] = {}
        self.parameters: dict[int, tuple[Root, str]] = {}
        self._only: set[int] = set()
        self._labels: dict[str, int] = {}  # how many roots have had a label
        # By id: the user's class may hash itself in its own way, or not at all.
        self.places: dict[int, tuple[ReferenceType[nn.Module], str, int]] = {}

    def built(self, module: nn.Module) -> None:
        """Note where in the user's code a module is being made."""
        own = {vars(c)["__init__"].__code__ for c in type(module).__mro__ if python_init(c)}
        frame = user_frame(3)
        while frame is not None and frame.f_code in own:  # its own __init__: look at the caller
            frame = frame.f_back
        if frame is not None:
            key, places = id(module), self.places
            held = ref(module, lambda _: places.pop(key, None))
            places[key] = (held, frame.f_code.co_filename, frame.f_lineno)

    def place(self, module: nn.Module) -> tuple[str, int] | None:
        """File and line where a module was made."""
        held = self.places.get(id(module))
        return held[1:] if held is not None and held[0]() is module else None

    def source(self, module: nn.Module) -> str:
        """`file.py:line` of the place where a module was made, or ''."""
        place = self.place(module)
        return f"{Path(place[0]).name}:{place[1]}" if place else ""

    def label(self, module: nn.Module) -> str:
        """What the user calls a model: its variable in the main script, else its class.

        Local variables are read off the line that made it: asking a frame for its locals would
        keep all of them alive.
        """
        for name, value in list(vars(sys.modules["__main__"]).items()):
            # By type: isinstance would ask the user's object for its __class__.
            is_module = issubclass(type(value), nn.Module)
            if name[:1] != "_" and is_module and unwrap(value) is module:
                return name
        place = self.place(module)
        found = ASSIGNED.match(linecache.getline(*place)) if place else None
        return found[1] if found else type(module).__name__

    def restrict(self, models: Sequence[nn.Module]) -> None:
        """Watch no other models than these; give them their names now."""
        inner = [unwrap(m) for m in models]
        self._only = {id(m) for model in inner for _, m in keras.named_modules(model)}
        for model in inner:
            self.root(model)

    def root(self, module: nn.Module) -> Root | None:
        """The root that a module called from outside belongs to; None if it holds no parameter."""
        inner = unwrap(module)
        if inner is not module and type(module).__name__ == "DistributedDataParallel":
            self.replicas = True
        found = self.modules.get(id(inner))
        if found is not None:
            return found[0]
        if not holds_parameters(inner) or (self._only and id(inner) not in self._only):
            return None
        inside = {id(m) for _, m in keras.named_modules(inner)}
        label = self.label(inner)
        number = self._labels[label] = self._labels.get(label, 0) + 1
        parts = [r for r in self.roots if id(r.module) in inside]
        root = Root(
            ref(inner, self._gone),
            label if number == 1 else f"{label}#{number}",
            first=number == len(self._labels) == 1 or any(r.first for r in parts),
        )
        self.roots = [r for r in self.roots if r.module is not None and r not in parts]
        self.roots.append(root)
        self.name(root)
        return root

    def name(self, root: Root) -> None:
        """(Re)read the names of a root's modules and parameters."""
        model = root.module
        if model is None:
            return
        root.stochastic = []
        self.modules = {k: v for k, v in self.modules.items() if v[0] is not root}
        for prefix, module in keras.named_modules(model):
            self.modules[id(module)] = (root, prefix)
            if isinstance(module, STOCHASTIC):
                root.stochastic.append((prefix, ref(module)))
            for name, parameter in keras.own_parameters(module):
                held = self.parameters.get(id(parameter))
                if held is None or held[0] is not root:
                    self.parameters[id(parameter)] = (root, f"{prefix}.{name}" if prefix else name)

    def _gone(self, dead: ReferenceType[nn.Module]) -> None:
        """Forget the names of a model that the script has dropped: its ids may come again."""
        self.modules = {k: v for k, v in self.modules.items() if v[0].ref is not dead}
        self.parameters = {k: v for k, v in self.parameters.items() if v[0].ref is not dead}

    @property
    def lines(self) -> dict[str, str]:
        """Source line of every named module."""
        alive = [m for held in list(self.places.values()) if (m := held[0]()) is not None]
        return {self.site(m): self.source(m) for m in alive if id(m) in self.modules}

    def _full(self, root: Root, name: str) -> str:
        # A bare "0" of a Sequential says nothing: model.0 does.
        return name if root.first and not name[:1].isdigit() else f"{root.label}.{name}"

    def site(self, module: nn.Module) -> str:
        """Name of a module: dotted path, behind its model's label for all models but the first."""
        found = self.modules.get(id(module))
        if found is None:
            return type(module).__name__
        root, name = found
        return self._full(root, name or type(module).__name__)

    def parameter(self, tensor: Tensor) -> str:
        """Name of a parameter, '' when no model holds it."""
        found = self.parameters.get(id(tensor))
        return self._full(*found) if found else ""

    def attribute(self, tensor: Tensor) -> str:
        """Where a trained model keeps a tensor as a plain attribute, '' for nowhere."""
        for root in self.roots:
            model = root.module
            for prefix, module in keras.named_modules(model) if model is not None else ():
                for name, value in vars(module).items():
                    if value is tensor:
                        return f"{prefix}.{name}" if prefix else name
        return ""

    def describe(
        self, state: State, optimised: Container[int], reached: Container[int], walked: int
    ) -> None:
        """Write the facts about every root's parameters.

        Args:
            optimised: ids of the tensors that some optimiser holds, or has held.
            reached: ids of the leaves that training losses reach.
            walked: step of the newest such look; -1: none. A tensor that came later is unknown.
        """
        seen: set[int] = set()
        for root in self.roots:
            model = root.module
            for prefix, module in keras.named_modules(model) if model is not None else ():
                for name, p in keras.own_parameters(module):
                    if isinstance(p, nn.parameter.UninitializedParameter) or not p.numel():
                        continue
                    if id(p) in seen:
                        continue
                    seen.add(id(p))
                    full = f"{prefix}.{name}" if prefix else name
                    turned = keras.is_layer(module) and p.dim() > 1
                    start = root.start.get(full)
                    if start is None or start.tensor() is not p:  # a layer was put in its place
                        start = root.renamed(p, full)
                    if start is None:
                        matrix = p.movedim(-1, 0) if turned else p
                        start = root.start[full] = Start(ref(p), state.step, *at_start(matrix))
                    if id(p) in optimised:
                        root.optimised.add(full)
                    unseen = start.step > walked  # nobody has looked since it came
                    used = self.site(module) in root.order if is_leaf(module) else None
                    state.write(
                        f.Parameter(
                            name=self.parameter(p) or full,
                            shape=tuple(p.shape),
                            dtype=str(p.dtype).removeprefix("torch."),
                            requires_grad=p.requires_grad,
                            registered=True,
                            optimised=full in root.optimised,
                            reached=id(p) in reached or (None if unseen else False),
                            used=None if unseen else used,
                            module=self.site(module),
                            module_type=type(module).__name__,
                            root=root.label,
                            units_last=turned,
                            equal_rows=start.equal_rows,
                            mean=start.mean,
                            std=start.std,
                            since=start.step,
                            source=self.source(module),
                        )
                    )


def at_start(p: Tensor) -> tuple[bool, float, float]:
    """Whether all rows of a weight are the same, and its mean and standard deviation."""
    values = local(p)
    if not values.is_floating_point() or not values.numel() or not measurable(values):
        return False, 0.0, 0.0
    rows = values.reshape(values.shape[0], -1) if values.dim() > 1 else None
    equal = rows is not None and rows.shape[0] > 1 and bool((rows[:64] == rows[0]).all())
    flat = values.reshape(-1)[:65536].float()
    return equal, float(flat.mean()), float(flat.std(correction=0))


def statistics(module: nn.Module) -> tuple[Tensor | None, Tensor | None]:
    """Running mean and variance of a batch norm, torch's or one that the user wrote."""
    if isinstance(module, STOCHASTIC[-1]):
        return module.running_mean, module.running_var
    if NORM.search(type(module).__name__) is None or keras.is_layer(module):
        return None, None
    found: list[Tensor | None] = []
    for word in ("mean", "var"):
        named = [t for name, t in module._buffers.items() if word in name and t is not None]
        found.append(named[0] if len(named) == 1 and named[0].is_floating_point() else None)
    return found[0], found[1]


def unwrap(module: nn.Module) -> nn.Module:
    """The user's model inside DistributedDataParallel, DataParallel or torch.compile."""
    while True:
        kind = type(module).__name__
        inner = (
            getattr(module, "_orig_mod", None)
            if kind == "OptimizedModule"
            else getattr(module, "module", None)
            if kind in ("DistributedDataParallel", "DataParallel")
            else None
        )
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def python_init(cls: type) -> bool:
    """Whether a class has an __init__ of its own, written in Python."""
    return hasattr(vars(cls).get("__init__"), "__code__")


def holds_parameters(module: nn.Module) -> bool:
    """Whether a module, or one inside of it, has parameters."""
    if keras.is_layer(module):
        return any(keras.own_parameters(m) for _, m in keras.named_modules(module))
    return next(module.parameters(), None) is not None


def is_leaf(module: nn.Module) -> bool:
    """Whether a module's own output is a site: no children, or attention, whose are inert."""
    if keras.is_layer(module):
        return keras.is_leaf(module)
    return not module._modules or isinstance(module, nn.MultiheadAttention)


def settings(module: nn.Module) -> dict[str, Any]:
    """The plain settings of a module that detectors ask for."""
    found = {k: getattr(module, k) for k in SETTINGS if k in vars(module)}
    if keras.is_layer(module):
        found = keras.settings(module)
    plain = (bool, int, float, str, tuple, type(None))
    return {
        k: list(v) if isinstance(v, tuple) else v for k, v in found.items() if isinstance(v, plain)
    }
