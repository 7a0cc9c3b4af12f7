"""initialise: weights whose scale fits the layers and their activation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.activations import FLAT, hidden
from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.models import trained
from penlight.edits.names import fresh
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name
from penlight.edits.training import Training

if TYPE_CHECKING:
    from torch import nn

SCHEMES = ("fitting", "he", "xavier")
BY_HAND = {
    "constant_", "normal_", "uniform_", "zeros_", "ones_", "trunc_normal_", "fill_", "zero_",
    "xavier_normal_", "xavier_uniform_", "kaiming_normal_", "kaiming_uniform_", "orthogonal_",
}  # fmt: skip
FITTING = ("xavier_normal_", "xavier_uniform_", "kaiming_normal_", "kaiming_uniform_")
KERAS = {"kernel_initializer": ("he_normal", "glorot_uniform"), "bias_initializer": ("zeros",) * 2}


@dataclass(frozen=True)
class Initialise(Edit):
    """Draw the weights at the scale that keeps the signal's size from layer to layer.

    An initialisation that the author wrote is corrected in place; otherwise one is added before
    the optimiser is made. Biases begin at zero.

    Args:
        scheme: "he" for ReLU and its kind, "xavier" for tanh and sigmoid, "fitting" for the one
            that the hidden layers' activations ask for.
    """

    new_rate = True
    scheme: str = "fitting"

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ValueError(f"{self.scheme} is none of {', '.join(SCHEMES)}.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls()

    @property
    def says(self) -> str:
        name = {"he": "He ", "xavier": "Xavier "}.get(self.scheme, "")
        return f"Initialise the weights by {name or 'the scheme for their activation'}".rstrip()

    def source(self, scene: Scene) -> Sequence[Change]:
        kinds = [site.kind for site in hidden(scene)]
        flat = sum(kind in FLAT for kind in kinds) * 2 > len(kinds)
        xavier = self.scheme == "xavier" or (self.scheme == "fitting" and flat)
        gain = "gain=5 / 3" if "tanh" in kinds and flat else ""
        changes = [
            change
            for file in scene.files
            for change in _corrected(scene.source(file), xavier, gain)
        ]
        changes = changes or [c for file in scene.files for c in _constant(scene, file)]
        if changes:
            return changes
        wanted = FITTING[:2] if xavier else FITTING[2:]
        sources = [scene.source(file) for file in scene.files]
        if any(call for source in sources for call in source.calls(*wanted)):
            return ()  # it fits already; an edit beside it may still be of use
        return _added(scene, xavier, gain)

    def live(self, training: Training) -> None:
        import torch
        from torch import nn

        kinds = [type(m).__name__.lower() for m in training.model.modules()]
        flat = sum(k in FLAT for k in kinds) > sum("lu" in k for k in kinds)
        xavier = self.scheme == "xavier" or (self.scheme == "fitting" and flat)
        with torch.no_grad():
            for module in training.model.modules():
                if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
                    _draw(module, xavier, 5 / 3 if "tanh" in kinds and flat else 1.0)
        training.forget()


def _draw(module: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d, xavier: bool, gain: float) -> None:
    from torch import nn

    if xavier:
        nn.init.xavier_normal_(module.weight, gain=gain)
    else:
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def _corrected(source: Source, xavier: bool, gain: str) -> Iterator[Change]:
    """Changes to initialisations that stand in a file already."""
    wanted, options = ("xavier_normal_", gain) if xavier else ("kaiming_normal_", _RELU)
    for call in source.calls(*BY_HAND):
        target, inplace = _target(call)
        part = last_name(target) if target is not None else ""
        if target is None or _normalisation(source, call):
            continue
        code = source.code(target)
        if part == "bias" or part.startswith("bias"):
            if last_name(call.func) in ("zeros_", "zero_"):
                continue
            name = "zero_" if inplace else "zeros_"
            yield from _rewritten(source, call, name, code, "", inplace)
        elif (part.startswith("weight") and last_name(call.func) not in FITTING) or (
            part.startswith("weight") and ("kaiming" in last_name(call.func)) == xavier
        ):
            yield from _rewritten(source, call, wanted, code, options, inplace)
    for call in source.all(cst.Call):
        for keyword, (he, glorot) in KERAS.items():
            arg = argument(call, keyword)
            if arg is not None and isinstance(arg.value, (cst.SimpleString, cst.Call)):
                yield source.replace(arg.value, f'"{glorot if xavier else he}"')


_RELU = 'nonlinearity="relu"'


def _target(call: cst.Call) -> tuple[cst.BaseExpression | None, bool]:
    """The tensor that an initialisation fills, and whether it is written as its method."""
    if not isinstance(call.func, cst.Attribute):
        return (call.args[0].value if call.args else None), False
    owner = call.func.value
    if last_name(owner) in ("init", "torch") and call.args:
        return call.args[0].value, False
    if last_name(owner) == "data" and isinstance(owner, cst.Attribute):
        return owner.value, True
    return owner, True


def _normalisation(source: Source, call: cst.Call) -> bool:
    """Whether it stands in a branch for normalisation layers, where ones are right."""
    for parent in source.parents(call):
        if isinstance(parent, cst.If):
            test = source.code(parent.test)
            inside = source.inside(call, parent.body)
            return inside and ("Norm" in test) and "not" not in test.split()
    return False


def _rewritten(
    source: Source, call: cst.Call, name: str, tensor: str, options: str, method: bool
) -> Iterator[Change]:
    if method and name == "zero_":
        assert isinstance(call.func, cst.Attribute)
        yield source.replace(call, f"{source.code(call.func.value)}.zero_()")
        return
    head, imports = imported(source, "torch.nn")
    owner = f"{head}.init"
    if not method and isinstance(call.func, cst.Attribute):
        owner = source.code(call.func.value)
    elif not method:
        raise Refused(f"{source.file} imports {last_name(call.func)} by its bare name.")
    else:
        yield from imports
    yield source.replace(call, f"{owner}.{name}({tensor}{f', {options}' if options else ''})")


def _constant(scene: Scene, file: str) -> Iterator[Change]:
    """Changes to weight matrices that are made of one value, without a layer: `torch.zeros(8, 4)`.

    Their units may lie in either dimension, so that the scheme is the one that treats both alike.
    """
    source = scene.source(file)
    alike = (p.name for p in scene.run.parameters if len(p.shape) == 2 and p.equal_rows)
    names = {name.rpartition(".")[2] for name in alike}
    for call in source.calls("zeros", "ones"):
        target = source.enclosing(call, cst.Assign)
        named = isinstance(target, cst.Assign) and last_name(target.targets[0].target) in names
        if not named or not isinstance(call.func, cst.Attribute):
            continue
        if last_name(call.func.value) != "torch":
            continue
        learnt = argument(call, "requires_grad")
        kept = ", ".join(source.code(a).rstrip(", ") for a in call.args if a is not learnt)
        head, imports = imported(source, "torch.nn")
        yield from imports
        text = f"{head}.init.xavier_normal_({source.code(call.func.value)}.empty({kept}))"
        yield source.replace(call, f"{text}.requires_grad_()" if learnt is not None else text)


def _added(scene: Scene, xavier: bool, gain: str) -> Sequence[Change]:
    """An initialisation of all linear and convolutional layers, before the optimiser is made."""
    found = trained(scene)
    source, text = found.source, found.source.text
    if any(word in text for word in ("load_state_dict", "from_pretrained", "pretrained=")):
        raise Refused(
            "The model may hold pretrained weights, which a new initialisation would wipe out.",
            "Initialise the layers that are new, and only those.",
        )
    types = {m.type for m in scene.run.modules}
    layers = [t for t in ("Linear", "Conv1d", "Conv2d", "Conv3d") if t in types]
    if not layers:
        raise Refused("The model has no linear or convolutional layer to initialise.")
    nn, imports = imported(source, "torch.nn")
    module = fresh(source, "module", "layer")
    kinds = ", ".join(f"{nn}.{t}" for t in layers)
    how = f"xavier_normal_({module}.weight{f', {gain}' if gain else ''})"
    how = how if xavier else f"kaiming_normal_({module}.weight, {_RELU})"
    code = [
        f"for {module} in {found.name}.modules():",
        f"    if isinstance({module}, {f'({kinds})' if len(layers) > 1 else kinds}):",
        f"        {nn}.init.{how}",
        f"        if {module}.bias is not None:",
        f"            {nn}.init.zeros_({module}.bias)",
    ]
    return [*imports, source.before(found.optimizer, "\n".join(code))]
