"""keep-finite: a small number where a logarithm, a root or a division meets zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.core.facts import NonFinite
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, last_name

EPSILON = "1e-8"
EDGES = ("log", "sqrt", "rsqrt", "log2", "log10")
HALVES = ("0.5", ".5", "1 / 2", "1/2", "-0.5", "(1 / 2)", "(1/2)")
SIZES = ("dim", "size", "head", "channel", "feature", "width", "hidden", "d_model", "d_k", "fan")
LIBRARIES = ("torch", "math", "np", "numpy", "ops")


@dataclass(frozen=True)
class KeepFinite(Edit):
    """Add 1e-8 inside the logarithm or the root, or below the fraction, that left the numbers."""

    @property
    def says(self) -> str:
        return "Keep logarithms, roots and divisions away from zero by 1e-8"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes: list[Change] = []
        lost = scene.run.all(NonFinite)
        for fact in lost:
            try:
                source, line = scene.place(fact.source)
            except Refused:
                continue
            changes += _edges(source, source.module, (line, line), fractions=True)
        if not changes:  # the place is that of backward(): what the loop and its functions do
            loop = scene.loop
            fractions = any(fact.op == "Div" for fact in lost)
            names = {last_name(call.func) for call in loop.source.all(cst.Call, loop.body)}
            changes += _edges(loop.source, loop.body, None, fractions)
            for source in map(scene.source, scene.files):
                for function in source.all(cst.FunctionDef):
                    owner = source.enclosing(function, cst.ClassDef, cst.FunctionDef)
                    loss = isinstance(owner, cst.ClassDef) and _makes_loss(owner)
                    if loss or function.name.value in names or _makes_loss(function):
                        changes += _edges(source, function, None, fractions)
        if not changes:  # a class or a helper of another name: wherever that operation is written
            for source in map(scene.source, scene.files):
                for op in (fact.op for fact in lost if fact.op):
                    changes += _edges(source, source.module, None, fractions=False, op=op)
        if not changes:
            raise Refused(
                "No logarithm, root or division stands where the value was lost.",
                "Keep the operation's argument away from zero: add 1e-8 to it.",
            )
        return list(dict.fromkeys(changes))


def _makes_loss(made: cst.FunctionDef | cst.ClassDef) -> bool:
    name = made.name.value.lower()
    return any(w in name for w in ("loss", "error", "criterion", "distance", "nll"))


def _edges(
    source: Source,
    within: cst.CSTNode,
    lines: tuple[int, int] | None,
    fractions: bool,
    op: str = "",
) -> Iterator[Change]:
    """Logarithms and roots in a part of a file; on request, fractions too, or one operation's."""
    for node in source.nodes:
        if not isinstance(node, (cst.Call, cst.BinaryOperation)):
            continue
        first, last = source.lines(node)
        if lines is not None and not (first <= lines[1] and lines[0] <= last):
            continue
        if not source.inside(node, within):
            continue
        if isinstance(node, cst.Call):
            root = _is_root(source, node) and op in ("", "Pow")
            name = last_name(node.func)
            if root or (name in EDGES and op.lower() in ("", name)):
                yield from _argument(source, node)
            continue
        if op in ("", "Pow"):
            yield from _power(source, node)
        if fractions and isinstance(node.operator, cst.Divide) and _may_vanish(node.right):
            yield from _plus(source, node.right, wrap=True)


def _is_root(source: Source, call: cst.Call) -> bool:
    """`torch.pow(x, 0.5)` or `x.pow(0.5)`."""
    power = call.args[-1].value if last_name(call.func) == "pow" and call.args else None
    return power is not None and source.code(power) in HALVES


def _power(source: Source, node: cst.BinaryOperation) -> Iterator[Change]:
    """`x ** 0.5`."""
    if not isinstance(node.operator, cst.Power) or source.code(node.right) not in HALVES:
        return
    if EPSILON[:2] not in source.code(node.left) and not _is_size(source, node.left):
        yield from _plus(source, node.left, wrap=True)


def _is_size(source: Source, node: cst.BaseExpression) -> bool:
    """Whether a base is a number or a width of the model: `head_dim ** -0.5` is a scale."""
    if isinstance(node, (cst.Name, cst.Attribute)):
        return any(word in last_name(node).lower() for word in SIZES)
    counted = any(word in source.code(node) for word in (".shape", ".size(", "len("))
    return counted or isinstance(node, (cst.Integer, cst.Float))


def _argument(source: Source, call: cst.Call) -> Iterator[Change]:
    func = call.func
    if call.args and (not isinstance(func, cst.Attribute) or last_name(func.value) in LIBRARIES):
        if EPSILON[:2] not in source.code(call) and "clamp" not in source.code(call):
            yield from _plus(source, call.args[0].value, wrap=False)
    elif isinstance(func, cst.Attribute) and "clamp" not in source.code(func.value):
        yield from _plus(source, func.value, wrap=True)


def _plus(source: Source, node: cst.BaseExpression, wrap: bool) -> Iterator[Change]:
    start, end = source.span(node)
    bracketed = bool(node.lpar) if hasattr(node, "lpar") else False
    if bracketed:
        start, end = _outside(source, start, end)
    weak = isinstance(node, (cst.Comparison, cst.BooleanOperation, cst.IfExp, cst.Lambda))
    if wrap or (weak and not bracketed):
        yield source.insert(start, "(")
        yield source.insert(end, f" + {EPSILON})")
    else:
        yield source.insert(end, f" + {EPSILON}")


def _outside(source: Source, start: int, end: int) -> tuple[int, int]:
    """The span with its own brackets, which LibCST may leave out."""
    text = source.text
    if start > 0 and text[start] != "(" and text[start - 1] == "(" and text[end : end + 1] == ")":
        return start - 1, end + 1
    return start, end


def _may_vanish(node: cst.BaseExpression) -> bool:
    """Whether a denominator is computed from data: not a number, a count or a constant."""
    if isinstance(node, (cst.Integer, cst.Float)):
        return False
    name = last_name(node.func) if isinstance(node, cst.Call) else last_name(node)
    return name not in ("len", "size", "numel", "shape") and not name.isupper()
