"""What the user's files do with the model's output: the dimension they drop, the decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import libcst as cst

from penlight.edits.data import functions, model_calls
from penlight.edits.flow import last_value, uses
from penlight.edits.heads import kind_of, last_layer_at
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name

CARRIED = {"detach", "cpu", "cuda", "numpy", "float", "to", "clone", "double"}
NARROWING = {"squeeze", "flatten", "view", "reshape", "ravel"}
WIDE, LONG = ("-1",), ("long", "int")
DEPTH = 12


@dataclass(frozen=True)
class Decision:
    """A test such as `out > 0.5` that takes one unit's output for the answer yes or no."""

    source: Source
    node: cst.BaseExpression
    output: cst.BaseExpression


class Outputs:
    """The expressions that hold the output of the model in training.

    Raises:
        Refused: under which name the model is called is not visible.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._calls = {id(call) for _, call in model_calls(scene)}
        self._calls |= {id(call) for call in _inner_calls(scene)}

    def holds(self, source: Source, node: cst.BaseExpression, depth: int = 0) -> bool:
        """Whether an expression is the model's output, in whatever shape."""
        if id(node) in self._calls or depth > DEPTH:
            return id(node) in self._calls
        if isinstance(node, cst.Name):
            value = last_value(source, node)
            if value is not None:
                return self.holds(source, value, depth + 1)
            return self._passed(source, node, depth)
        inner = narrowed(source, node) or _carried(node)
        return inner is not None and self.holds(source, inner, depth + 1)

    def _passed(self, source: Source, name: cst.Name, depth: int) -> bool:
        """Whether callers of the function around a name give it the output."""
        function = source.enclosing(name, cst.FunctionDef)
        if not isinstance(function, cst.FunctionDef):
            return False
        for other, found, params in functions(self.scene, function.name.value):
            if other is source and found is function and name.value in params:
                at = params.index(name.value)
                for file in self.scene.files:
                    where = self.scene.source(file)
                    for call in where.calls(function.name.value):
                        if at < len(call.args) and self.holds(
                            where, call.args[at].value, depth + 1
                        ):
                            return True
        return False

    @cached_property
    def narrowings(self) -> list[tuple[Source, cst.BaseExpression, cst.BaseExpression]]:
        """Where the output's dimension of size 1 is dropped: the whole expression, and the part
        that still has it."""
        found = []
        for source in map(self.scene.source, self.scene.files):
            for node in source.all(cst.BaseExpression):  # type: ignore[type-abstract]
                inner = narrowed(source, node)
                if inner is not None and self.holds(source, inner):
                    found.append((source, node, inner))
        return found

    @cached_property
    def decisions(self) -> list[Decision]:
        """Comparisons of the output with 0 or 0.5, and roundings of it."""
        found = []
        for source in map(self.scene.source, self.scene.files):
            for test in source.all(cst.Comparison):
                target = test.comparisons[0]
                above = isinstance(target.operator, (cst.GreaterThan, cst.GreaterThanEqual))
                if above and _cut(target.comparator) and self.holds(source, test.left):
                    found.append(Decision(source, test, test.left))
            for call in source.calls("round"):
                inner = _argument_or_owner(call)
                if inner is not None and self.holds(source, inner):
                    found.append(Decision(source, call, inner))
        return found


def narrowed(source: Source, node: cst.CSTNode) -> cst.BaseExpression | None:
    """What an expression takes the one unit of: `out` of `out[:, 0]` and of `out.squeeze(1)`."""
    if isinstance(node, cst.Subscript):
        text = "".join(source.code(node)[len(source.code(node.value)) :].split())
        return node.value if text in ("[:,0]", "[...,0]", "[:,-1]", "[...,-1]") else None
    if not isinstance(node, cst.Call) or last_name(node.func) not in NARROWING:
        return None
    assert isinstance(node.func, (cst.Name, cst.Attribute))
    function = isinstance(node.func, cst.Attribute) and dotted(node.func.value) == "torch"
    given = tuple(source.code(a.value) for a in node.args[1 if function else 0 :])
    name = last_name(node.func)
    all_of_it = given == () if name in ("flatten", "ravel") else given == WIDE
    if not (all_of_it or (name == "squeeze" and given in ((), ("1",), WIDE))):
        return None
    if function:
        return node.args[0].value if node.args else None
    return node.func.value if isinstance(node.func, cst.Attribute) else None


def peeled(source: Source, node: cst.BaseExpression, inner: cst.BaseExpression) -> list[Change]:
    """The changes that leave of an expression a part of it, without touching that part."""
    (start, end), (first, last) = source.span(node), source.span(inner)
    for _ in inner.lpar:
        first = source.text.rindex("(", start, first)
        last = source.text.index(")", last) + 1
    ends = ((start, first), (last, end))
    return [Change(source.file, a, b, "") for a, b in ends if a < b]


def bare(source: Source, node: cst.BaseExpression) -> tuple[cst.BaseExpression, bool]:
    """The output without the activation and the loss of a dimension around it, and whether it
    had lost one."""
    lost = False
    while True:
        inner = narrowed(source, node)
        lost = lost or inner is not None
        if inner is None and isinstance(node, cst.Call) and kind_of(last_name(node.func)):
            inner = _argument_or_owner(node)
        if inner is None:
            return node, lost
        node = inner


def answered(decision: Decision, flat: bool) -> Change:
    """The change that lets the largest output decide; `flat` where the dimension is dropped."""
    source, node = decision.source, decision.node
    output, lost = bare(source, decision.output)
    text = source.code(output)
    text = f"({text})" if output.lpar else text
    start, end = source.span(node)
    if len(node.lpar) == 1:
        start, end = source.text.rindex("(", 0, start), source.text.index(")", end) + 1
    around = source.parent(node)
    call = source.parent(around) if isinstance(around, cst.Attribute) else None
    if isinstance(around, cst.Attribute) and around.attr.value in LONG:
        end = source.span(call)[1] if isinstance(call, cst.Call) and not call.args else end
    keep = "" if flat or lost else ", keepdim=True"
    return Change(source.file, start, end, f"{text}.argmax(1{keep})")


def _inner_calls(scene: Scene) -> Iterator[cst.Call]:
    """The call of the last layer in its model's forward, or of the list of layers it ends."""
    layer = last_layer_at(scene)
    if not layer.listed:
        assert isinstance(layer.node, cst.Call)
        yield layer.node
        return
    assign = layer.source.enclosing(layer.node, cst.Assign)
    if isinstance(assign, cst.Assign) and dotted(assign.targets[0].target).startswith("self."):
        for use in uses(layer.source, assign.targets[0].target):
            call = layer.source.parent(use)
            if isinstance(call, cst.Call) and call.func is use:
                yield call


def _carried(node: cst.BaseExpression) -> cst.BaseExpression | None:
    if not isinstance(node, cst.Call):
        return None
    name = last_name(node.func)
    if name in CARRIED and isinstance(node.func, cst.Attribute):
        return node.func.value
    return _argument_or_owner(node) if kind_of(name) or last_name(node.func) == "round" else None


def _argument_or_owner(call: cst.Call) -> cst.BaseExpression | None:
    """`x` of `torch.sigmoid(x)` and of `x.sigmoid()`."""
    if call.args:
        return call.args[0].value
    return call.func.value if isinstance(call.func, cst.Attribute) else None


def _cut(node: cst.BaseExpression) -> bool:
    return isinstance(node, (cst.Integer, cst.Float)) and float(node.value) in (0.0, 0.5)
