"""swap-activation: another nonlinearity in the hidden layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.activations import FLAT, KINDS, MODULES, Site, hidden, operand, registered
from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.names import sibling
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.training import Training

BENT = ("relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus")
IN_TORCH = ("sigmoid", "tanh", "relu", "selu")  # the others are in torch.nn.functional alone
SLOPES = {"leaky_relu": "0.1"}
INPLACE = ("relu", "relu6", "leaky_relu", "elu", "selu", "silu")


@dataclass(frozen=True)
class SwapActivation(Edit):
    """Use another activation in the hidden layers; the output's and gates stay.

    Sigmoids and their kind are replaced where there are any, else ReLU and its kind.

    Args:
        to: a class of torch.nn, such as ReLU, GELU, LeakyReLU or Tanh.
    """

    new_rate = True
    to: str

    def __post_init__(self) -> None:
        if self.to not in KINDS:
            raise ValueError(f"{self.to} is no activation of torch.nn.")

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:
        try:
            kinds = {site.kind for site in hidden(scene)}
        except Refused:  # there is no source: what has run
            kinds = {KINDS[m.type] for m in scene.run.modules if m.type in KINDS}
        if kinds & set(FLAT):
            yield cls("ReLU")
            yield cls("GELU")
        elif finding.pitfall == "exploding-gradient":
            yield cls("Tanh")
        elif finding.pitfall == "dying-relu":
            yield cls("LeakyReLU")
            yield cls("GELU")

    @property
    def says(self) -> str:
        return f"Use {self.to} in the hidden layers"

    def source(self, scene: Scene) -> Sequence[Change]:
        to = KINDS[self.to]
        found = hidden(scene)
        flat = [site for site in found if site.kind in FLAT]
        bent = [site for site in found if site.kind in BENT]
        chosen = [s for s in (bent if to in FLAT else flat or bent) if s.kind != to]
        if not chosen:
            raise Refused(
                "No hidden activation that could be replaced stands in the source.",
                f"Put torch.nn.{self.to}() in place of the hidden layers' activation.",
            )
        changes = [change for site in chosen for change in _swapped(site, to)]
        return list(dict.fromkeys(changes))

    def live(self, training: Training) -> None:
        from torch import nn

        kinds = {getattr(nn, MODULES[k]) for k in (FLAT if KINDS[self.to] not in FLAT else BENT)}
        leaves = [m for m in training.model.modules() if not list(m.children())]
        heavy = [i for i, m in enumerate(leaves) if any(p.dim() > 1 for p in m.parameters())]
        inner = set(leaves[: heavy[-1] if heavy else 0])
        flat = [m for m in inner if type(m) in kinds]
        bent = [m for m in inner if type(m) in {getattr(nn, MODULES[k]) for k in BENT}]
        chosen = {m for m in flat or bent if type(m) is not getattr(nn, self.to)}
        if not chosen:
            raise Refused("The model holds no hidden activation module that could be replaced.")
        slope = (float(SLOPES[KINDS[self.to]]),) if KINDS[self.to] in SLOPES else ()
        for module in list(training.model.modules()):
            for name, child in list(module.named_children()):
                if child in chosen:
                    setattr(module, name, getattr(nn, self.to)(*slope))


def _swapped(site: Site, to: str) -> Iterator[Change]:
    source, node = site.source, site.node
    if site.form == "word":
        word = registered(site, to)
        if word is None:
            raise Refused(
                f"The table of activations in {source.file} has no {to}.",
                f"Add torch.nn.{MODULES[to]} to it and choose it.",
            )
        quote = source.code(node)[0]
        yield source.replace(node, f"{quote}{word}{quote}")
    elif site.form == "module":
        assert isinstance(node, cst.Call)
        name, imports = sibling(source, node.func, MODULES[to])
        inplace = [a for a in node.args if a.keyword and a.keyword.value == "inplace"]
        kept = [source.code(a.value) for a in inplace if to in INPLACE]
        values = [*([SLOPES[to]] if to in SLOPES else []), *(f"inplace={k}" for k in kept)]
        yield from imports
        yield source.replace(node, f"{name}({', '.join(values)})")
    elif site.form == "class":
        name, imports = sibling(source, node, MODULES[to])
        yield from imports
        yield source.replace(node, name)
    else:
        owner, imports = _function(site, to)
        yield from imports
        if site.form == "function":
            yield source.replace(node, owner)
            return
        value = operand(site)
        assert isinstance(node, cst.Call)
        assert value is not None
        if site.form == "method" and to in ("relu", "sigmoid", "tanh"):
            assert isinstance(node.func, cst.Attribute)
            yield source.replace(node.func.attr, to)
            return
        start, end = source.span(node)
        first, last = source.span(value)
        extra = f", {SLOPES[to]}" if to in SLOPES else ""
        yield Change(source.file, start, first, f"{owner}(")
        yield Change(source.file, last, end, f"{extra})")


def _function(site: Site, to: str) -> tuple[str, Sequence[Change]]:
    """The functional form of an activation, in the module that the file takes them from."""
    source, node = site.source, site.node
    func = node.func if isinstance(node, cst.Call) else node
    if site.form != "method" and isinstance(func, cst.Attribute):
        owner = source.code(func.value)
        if owner != "torch" or to in IN_TORCH:
            return f"{owner}.{to}", ()
    elif site.form != "method" and to in IN_TORCH:
        return sibling(source, func, to)
    head, changes = imported(source, "torch.nn.functional")
    return f"{head}.{to}", changes
