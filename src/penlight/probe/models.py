"""Which models there are, and what their modules and parameters are called.

Nobody names the model to us. A root is the outermost module of a forward pass that holds
parameters; a root that turns out to be part of a larger one takes that one's names.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from penlight.core import facts as f
from penlight.probe.state import State, user_line
from penlight.signals.parameters import local

STOCHASTIC = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.modules.batchnorm._BatchNorm,
)
SETTINGS = ("p", "dim", "momentum", "eps", "bias", "negative_slope", "inplace", "num_layers",
            "bidirectional", "in_features", "out_features", "in_channels", "out_channels",
            "kernel_size", "stride", "groups", "num_embeddings", "embedding_dim", "padding_idx",
            "num_heads", "track_running_stats", "normalized_shape", "num_features")  # fmt: skip


@dataclass
class Root:
    """One watched model."""

    module: nn.Module
    label: str
    stochastic: list[tuple[str, nn.Module]]
    trained: bool = False  # took part in a training backward pass
    order: dict[str, int] = field(default_factory=dict)  # leaf name -> order of first execution
    described: bool = False


class Models:
    """Registry of roots, names and the source lines where modules were built."""

    def __init__(self) -> None:
        self.roots: list[Root] = []
        self.modules: dict[int, tuple[Root, str]] = {}
        self.parameters: dict[int, tuple[str, nn.Module, str]] = {}  # id -> name, owner, root
        self.sources: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
        self._keep: list[Tensor] = []  # ids stay valid while the tensors live

    def built(self, module: nn.Module) -> None:
        """Note where in the user's code a module is being made."""
        self.sources[module] = user_line(3)

    def root(self, module: nn.Module) -> Root | None:
        """The root that a module called from outside belongs to; None if it holds no parameter."""
        found = self.modules.get(id(module))
        if found is not None:
            return found[0]
        inner = unwrap(module)
        found = self.modules.get(id(inner))
        if found is not None:
            return found[0]
        if not any(True for _ in inner.parameters()):
            return None
        root = Root(inner, label(inner), [])
        inside = {id(m) for m in inner.modules()}
        self.roots = [r for r in self.roots if id(r.module) not in inside]
        self.roots.append(root)
        self.name(root)
        return root

    def name(self, root: Root) -> None:
        """(Re)read the names of a root's modules and parameters."""
        for name, module in root.module.named_modules():
            self.modules[id(module)] = (root, name)
        root.stochastic = [
            (name, m) for name, m in root.module.named_modules() if isinstance(m, STOCHASTIC)
        ]
        for prefix, module in root.module.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                if id(parameter) not in self.parameters or self.parameters[id(parameter)][2] != root.label:
                    full = f"{prefix}.{name}" if prefix else name
                    self.parameters[id(parameter)] = (full, module, root.label)
                    self._keep.append(parameter)

    def site(self, module: nn.Module) -> str:
        """Name of a module: dotted path, with its model's label in front when there are several."""
        found = self.modules.get(id(module))
        if found is None:
            return type(module).__name__
        root, name = found
        name = name or type(module).__name__
        return name if len(self.roots) == 1 else f"{root.label}.{name}"

    def parameter(self, tensor: Tensor) -> str:
        """Name of a parameter, '' when no model holds it."""
        found = self.parameters.get(id(tensor))
        if found is None:
            return ""
        name, _, root = found
        return name if len(self.roots) == 1 else f"{root}.{name}"

    def owner(self, tensor: Tensor) -> nn.Module | None:
        """The module that holds a parameter."""
        found = self.parameters.get(id(tensor))
        return found[1] if found else None

    def describe(self, state: State, optimised: set[int], reached: set[int] | None) -> None:
        """Write the facts about every root's parameters.

        Args:
            optimised: ids of the tensors in some optimiser.
            reached: ids of the leaves that training losses reach; None when never looked at.
        """
        for root in self.roots:
            ran = {name.rsplit(f"{root.label}.", 1)[-1] for name in root.order}
            for prefix, module in root.module.named_modules():
                for name, p in module.named_parameters(recurse=False):
                    if isinstance(p, nn.parameter.UninitializedParameter):
                        continue
                    state.write(
                        self._fact(p, root, prefix, name, module, optimised, reached, ran)
                    )

    def _fact(
        self,
        p: Tensor,
        root: Root,
        prefix: str,
        name: str,
        module: nn.Module,
        optimised: set[int],
        reached: set[int] | None,
        ran: set[str],
    ) -> f.Parameter:
        values = local(p).reshape(-1)[:65536].float()
        rows = local(p).reshape(p.shape[0], -1) if p.dim() > 1 and p.numel() else None
        equal = rows is not None and rows.shape[0] > 1 and bool((rows[:64] == rows[0]).all())
        return f.Parameter(
            name=self.parameter(p) or name,
            shape=tuple(p.shape),
            requires_grad=p.requires_grad,
            registered=True,
            optimised=id(p) in optimised,
            reached=None if reached is None else id(p) in reached,
            used=(prefix or type(module).__name__) in ran or prefix in ran,
            module=self.site(module),
            module_type=type(module).__name__,
            root=root.label,
            equal_rows=equal,
            mean=float(values.mean()) if values.numel() else 0.0,
            std=float(values.std(correction=0)) if values.numel() else 0.0,
            source=self.sources.get(module, ""),
        )


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


def label(module: nn.Module) -> str:
    """What the user calls a model: its variable in the main script, else its class."""
    spaces = [vars(sys.modules["__main__"])]
    frame: Any = sys._getframe(1)
    while frame is not None:
        if "/torch/" not in frame.f_code.co_filename and "/penlight/" not in frame.f_code.co_filename:
            spaces.append(frame.f_locals)
        frame = frame.f_back
    for space in spaces:
        for name, value in list(space.items()):
            if not name.startswith("_") and name not in ("self", "module") and (
                value is module or isinstance(value, nn.Module) and unwrap(value) is module
            ):
                return name
    return type(module).__name__


def is_leaf(module: nn.Module) -> bool:
    """Whether a module's own output is a site: no children, or attention (its children are inert)."""
    return not module._modules or isinstance(module, nn.MultiheadAttention)


def settings(module: nn.Module) -> dict[str, Any]:
    """The plain settings of a module that detectors ask for."""
    found = {k: getattr(module, k) for k in SETTINGS if k in vars(module)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in found.items()
            if isinstance(v, (bool, int, float, str, tuple, type(None)))}  # fmt: skip


def reaches(tensor: Any) -> bool:
    """Whether a tensor takes part in autograd."""
    return isinstance(tensor, torch.Tensor) and tensor.requires_grad
