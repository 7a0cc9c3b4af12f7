"""Follows what a model is fed back to the variable that holds the whole data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import libcst as cst

from penlight.edits.bindings import Bound, bindings
from penlight.edits.edit import Refused
from penlight.edits.models import trained
from penlight.edits.scene import Scene
from penlight.edits.source import Source, argument, dotted, last_name

LOOPS = (cst.For, cst.While, cst.CompFor)
SAME = {
    "to", "float", "double", "cuda", "cpu", "view", "reshape", "unsqueeze", "squeeze", "flatten",
    "clone", "detach", "contiguous", "requires_grad_", "numpy", "astype", "split", "chunk", "long",
    "type", "permute", "transpose", "values", "to_numpy", "copy", "pin_memory",
}  # fmt: skip
WRAPPERS = {
    "tensor", "from_numpy", "as_tensor", "FloatTensor", "Tensor", "Variable", "array", "asarray",
    "tqdm", "iter", "next", "list", "tuple",
}  # fmt: skip
TENSORS = {"tensor", "from_numpy", "as_tensor", "FloatTensor", "Tensor"}
LOADERS = {"DataLoader"}
INDEX_SAME = {"split", "chunk", "tolist", "numpy", "to"}  # methods of indices: the same ones
INDEX_FROM = {"enumerate", "permutation", "list", "tqdm", "array_split"}  # of their argument's
INDEX_DEPTH = 12  # steps from an index back to the variable that it is drawn from


@dataclass(frozen=True)
class Feed:
    """A variable that data come from, and one expression in which it is used.

    Args:
        source: the file.
        name: the variable that holds the data set, or a part of it.
        rows: the expression for the rows that are used: "train_x", "X[train]".
        use: the node in which the variable stands, in the variable's own scope if it can be told.
        scope: the function (or module) in which the variable is bound.
        changing: the rows are chosen anew in a loop; `rows` is then the whole variable.
        shaped: the values change their shape or type on the way.
        cast: ... and whole numbers become floats there.
        array: ... and an array of numpy becomes a tensor.
    """

    source: Source
    name: str
    rows: str
    use: cst.CSTNode
    scope: cst.CSTNode
    changing: bool = False
    shaped: bool = False
    cast: bool = False
    array: bool = False


def feeds(scene: Scene, source: Source, node: cst.BaseExpression) -> list[Feed]:
    """The variables that an expression takes its data from: one for each caller.

    Raises:
        Refused: they cannot be told from the source.
    """
    return list(_Trace(scene).of(source, node, ()))


def model_calls(scene: Scene) -> list[tuple[Source, cst.Call]]:
    """The calls of the model that the optimiser trains, under all names it goes by.

    Raises:
        Refused: its name is not visible.
    """
    found = trained(scene)
    names = {found.name}
    for _ in range(2):  # a function may hand it on to another one
        for file in scene.files:
            names |= _aliases(scene, scene.source(file), names)
    calls = []
    for file in scene.files:
        source = scene.source(file)
        calls += [(source, c) for c in source.all(cst.Call) if dotted(c.func) in names and c.args]
    return calls


def in_training(scene: Scene, source: Source, node: cst.CSTNode) -> bool:
    """Whether a node belongs to the training step: in its loop, or in a function called there."""
    loop = scene.loop
    if source is loop.source and (node is loop.body or source.inside(node, loop.body)):
        return not _evaluates(source, node, loop.body)
    function = source.enclosing(node, cst.FunctionDef)
    if not isinstance(function, cst.FunctionDef) or function.name.value in ("forward", "__init__"):
        return False
    calls = list(loop.source.calls(function.name.value, within=loop.body))
    return any(not _evaluates(loop.source, call, loop.body) for call in calls)


def _evaluates(source: Source, node: cst.CSTNode, body: cst.CSTNode) -> bool:
    """Whether a node in the training loop stands under no_grad()."""
    for parent in source.parents(node):
        if parent is body:
            return False
        if isinstance(parent, cst.With) and any(
            "no_grad" in source.code(i.item) or "inference_mode" in source.code(i.item)
            for i in parent.items
        ):
            return True
    return False


def _aliases(scene: Scene, source: Source, names: set[str]) -> set[str]:
    """Names under which a function or a class gets one of some values."""
    found = set()
    for call in source.all(cst.Call):
        for position, arg in enumerate(call.args):
            if dotted(arg.value) not in names:
                continue
            for other, function, params in functions(scene, last_name(call.func)):
                name = arg.keyword.value if arg.keyword else ""
                if not name and position < len(params):
                    name = params[position]
                if name in params:
                    found.add(name)
                    found |= {
                        dotted(target.target)
                        for assign in other.all(cst.Assign, function)
                        if isinstance(assign.value, cst.Name) and assign.value.value == name
                        for target in assign.targets
                    }
    return found - {""}


def functions(scene: Scene, name: str) -> Iterator[tuple[Source, cst.FunctionDef, list[str]]]:
    """The functions of that name (a class: its constructor), and their parameters without self."""
    for file in scene.files:
        source = scene.source(file)
        for function in source.all(cst.FunctionDef):
            owner = source.enclosing(function, cst.ClassDef)
            params = [p.name.value for p in function.params.params]
            if isinstance(owner, cst.ClassDef):
                params = params[1:]
            known = function.name.value
            if isinstance(owner, cst.ClassDef) and known == "__init__":
                known = owner.name.value
            if known == name:
                yield source, function, params


class _Trace:
    """One walk from an expression back to the variables behind it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.depth = 0

    def of(
        self,
        source: Source,
        node: cst.BaseExpression,
        part: tuple[int, ...],
        before: int | None = None,
    ) -> Iterator[Feed]:
        self.depth += 1
        if self.depth > 60:
            raise Refused("Where the data come from goes round in circles.")
        if isinstance(node, cst.Name):
            yield from self._name(source, node, part, before)
        elif isinstance(node, cst.Subscript):
            yield from self._rows(source, node, part, before)
        elif isinstance(node, cst.Attribute) and node.attr.value in SAME:
            yield from self.of(source, node.value, part, before)
        elif isinstance(node, cst.Attribute) and dotted(node).startswith("self."):
            yield from self._attribute(source, node, part)
        elif isinstance(node, cst.Tuple) and part and part[0] < len(node.elements):
            yield from self.of(source, node.elements[part[0]].value, part[1:], before)
        elif isinstance(node, cst.Call):
            yield from self._call(source, node, part, before)
        else:
            raise Refused(f"{source.file}: where {source.code(node)[:60]} comes from is not clear.")

    def _call(
        self, source: Source, call: cst.Call, part: tuple[int, ...], before: int | None
    ) -> Iterator[Feed]:
        name, args = last_name(call.func), [a.value for a in call.args if not a.star]
        if isinstance(call.func, cst.Attribute) and name in SAME:
            for feed in self.of(source, call.func.value, part, before):
                float_cast = name == "float" and not feed.shaped
                yield replace(feed, shaped=True, cast=feed.cast or float_cast)
        elif name in WRAPPERS and args:
            for feed in self.of(source, args[0], part, before):
                made = name in TENSORS
                yield replace(feed, shaped=feed.shaped or made, array=feed.array or made)
        elif name in LOADERS and args:
            yield from self._dataset(source, args[0], part, before)
        elif name == "enumerate" and args:
            yield from self.of(source, args[0], part[1:], before)
        elif name == "zip" and part and part[0] < len(args):
            yield from self.of(source, args[part[0]], part[1:], before)
        elif name == "TensorDataset":
            yield from self._dataset(source, call, part, before)
        else:
            yield from self._yielded(source, call, part)

    def _yielded(self, source: Source, call: cst.Call, part: tuple[int, ...]) -> Iterator[Feed]:
        """What a function of the project hands out, if it takes it from its arguments."""
        found = list(functions(self.scene, last_name(call.func)))
        if len(found) == 1:
            other, function, _ = found[0]
            outs = [node.value for node in other.all(cst.Yield, function)]
            for out in [*outs, *(node.value for node in other.all(cst.Return, function))]:
                if isinstance(out, cst.BaseExpression):
                    yield from self.of(other, out, part)
                    return
        raise Refused(f"{source.file}: where {source.code(call)[:60]} takes its data is not clear.")

    def _dataset(
        self, source: Source, node: cst.BaseExpression, part: tuple[int, ...], before: int | None
    ) -> Iterator[Feed]:
        """The data that a data set is made of: `part` names which item of a sample."""
        if isinstance(node, cst.Name):
            bound = self._bound(source, node, before)
            if bound is None or bound.value is None:
                yield from self._passed(source, node, part, dataset=True)
                return
            if bound.part:
                raise Refused(
                    f"{source.file}: {node.value} is cut from a data set that is already made, so "
                    "the statistics of the training part cannot be taken before it."
                )
            yield from self._dataset(source, bound.value, part, source.span(bound.node)[0])
            return
        if not isinstance(node, cst.Call) or not part:
            yield from self.of(source, node, part, before)
            return
        name = last_name(node.func)
        args = [a.value for a in node.args if not a.star]
        if name == "TensorDataset" and part[0] < len(args):
            yield from self.of(source, args[part[0]], part[1:], before)
        elif name in ("zip", "list") and args:
            yield from self.of(source, node, part, before)
        else:
            yield from self._own_dataset(source, node, part, before)

    def _own_dataset(
        self, source: Source, call: cst.Call, part: tuple[int, ...], before: int | None
    ) -> Iterator[Feed]:
        """A Dataset class of the project: what __getitem__ returns came in by the constructor."""
        name = last_name(call.func)
        for file in self.scene.files:
            other = self.scene.source(file)
            for owner in other.all(cst.ClassDef):
                methods = {
                    f.name.value: f
                    for f in other.all(cst.FunctionDef, owner)
                    if other.enclosing(f, cst.ClassDef) is owner
                }
                if owner.name.value != name or not {"__init__", "__getitem__"} <= set(methods):
                    continue
                param = _stored(other, methods["__getitem__"], methods["__init__"], part)
                params = [p.name.value for p in methods["__init__"].params.params][1:]
                if param in params:
                    arg = argument(call, param, params.index(param))
                    if arg is not None:
                        for feed in self.of(source, arg.value, (), before):
                            yield replace(feed, shaped=True)
                        return
        raise Refused(f"{source.file}: what {name} holds is not visible.")

    def _rows(
        self, source: Source, node: cst.Subscript, part: tuple[int, ...], before: int | None
    ) -> Iterator[Feed]:
        index = node.slice[0].slice if len(node.slice) == 1 else None
        picked = index.value if isinstance(index, cst.Index) else None
        if isinstance(picked, cst.Integer):  # batch[0]
            number = int(picked.value)
            bound = self._bound(source, node.value, before)
            if bound is not None and bound.item:
                yield from self.of(source, node.value, (number, *part), before)
                return
        for feed in self.of(source, node.value, part, before):
            own = feed.source is source and feed.rows == source.code(node.value)
            drawn = self._drawn_from(source, picked, feed) if own else ""
            if drawn:
                yield replace(feed, rows=f"{feed.rows}[{drawn}]")
            elif self._varies(source, node) or not own:
                yield replace(feed, changing=True)
            else:
                yield replace(feed, rows=source.code(node), use=node)

    def _varies(self, source: Source, node: cst.Subscript) -> bool:
        """Whether the rows are chosen in a loop or in a function."""
        names = {n.value for part in node.slice for n in source.all(cst.Name, part)}
        if not names and source.enclosing(node, *LOOPS) is None:
            return False
        return source.enclosing(node, *LOOPS, cst.FunctionDef) is not None and not all(
            self._fixed(source, name, node) for name in names
        )

    def _drawn_from(self, source: Source, index: cst.BaseExpression | None, feed: Feed) -> str:
        """The variable behind indices drawn in a loop: `train` of `train[randperm(9)].split(3)`.

        "" where there is none beside the data, set once and above the loop.
        """
        before: int | None = None
        for _ in range(INDEX_DEPTH):
            if isinstance(index, cst.Name):
                bound = self._bound(source, index, before)
                if bound is None or bound.value is None:
                    return ""
                if not bound.item and source.enclosing(bound.node, *LOOPS) is None:
                    scope = source.enclosing(bound.node, cst.FunctionDef, cst.Module)
                    return index.value if before is not None and scope is feed.scope else ""
                index, before = bound.value, source.span(bound.node)[0]
            elif isinstance(index, cst.Subscript):
                index = index.value
            elif isinstance(index, cst.Call) and isinstance(index.func, cst.Attribute):
                method = index.func.attr.value in INDEX_SAME
                index = index.func.value if method else _argument_of(index)
            elif isinstance(index, cst.Call):
                index = _argument_of(index)
            else:
                return ""
        return ""

    def _fixed(self, source: Source, name: str, node: cst.CSTNode) -> bool:
        bound = self._bound(source, cst.Name(name), source.span(node)[0], at=node)
        if bound is None or bound.item:
            return False
        return source.enclosing(bound.node, *LOOPS) is None

    def _name(
        self, source: Source, node: cst.Name, part: tuple[int, ...], before: int | None
    ) -> Iterator[Feed]:
        bound = self._bound(source, node, before)
        if bound is None:
            yield from self._passed(source, node, part, dataset=False)
            return
        loop = source.enclosing(bound.node, *LOOPS)
        inner = bound.item or loop is not None or (part and bound.value is not None)
        if inner and bound.value is not None:
            start = source.span(bound.node)[0]
            yield from self.of(source, bound.value, (*bound.part, *part), start)
            return
        if isinstance(bound.value, cst.Call) and last_name(bound.value.func) in LOADERS:
            yield from self.of(source, bound.value, part, source.span(bound.node)[0])
            return
        scope = source.enclosing(bound.node, cst.FunctionDef, cst.Module) or source.module
        yield Feed(source, node.value, node.value, node, scope)

    def _attribute(
        self, source: Source, node: cst.Attribute, part: tuple[int, ...]
    ) -> Iterator[Feed]:
        """`self.loader`: what its class puts there."""
        owner = source.enclosing(node, cst.ClassDef)
        values = [
            assign.value
            for assign in source.all(cst.Assign, owner)
            if any(dotted(t.target) == dotted(node) for t in assign.targets)
        ]
        if len(values) != 1:
            raise Refused(f"{source.file}: what {dotted(node)} holds is not clear.")
        yield from self.of(source, values[0], part, source.span(values[0])[0])

    def _passed(
        self, source: Source, node: cst.Name, part: tuple[int, ...], dataset: bool
    ) -> Iterator[Feed]:
        """A parameter: what the callers of its function give."""
        function = source.enclosing(node, cst.FunctionDef)
        if not isinstance(function, cst.FunctionDef):
            raise Refused(f"{source.file}: {node.value} is not assigned in this file.")
        owner = source.enclosing(function, cst.ClassDef)
        params = [p.name.value for p in function.params.params]
        name = function.name.value
        if isinstance(owner, cst.ClassDef):
            params = params[1:]
            name = owner.name.value if name == "__init__" else name
        if node.value not in params:
            raise Refused(f"{source.file}: where {node.value} gets its value is not clear.")
        found = False
        for file in self.scene.files:
            other = self.scene.source(file)
            for call in other.calls(name):
                arg = argument(call, node.value, params.index(node.value))
                if arg is not None:
                    found = True
                    start = other.span(call)[0]
                    follow = self._dataset if dataset else self.of
                    yield from follow(other, arg.value, part, start)
        if not found:
            raise Refused(f"{source.file}: no call shows what {name} gets for {node.value}.")

    def _bound(
        self,
        source: Source,
        node: cst.BaseExpression,
        before: int | None,
        at: cst.CSTNode | None = None,
    ) -> Bound | None:
        """The last place above a use where a plain name gets its value."""
        if not isinstance(node, cst.Name):
            return None
        place = at or node
        limit = source.span(place)[0] if before is None else before
        scope = source.enclosing(place, cst.FunctionDef, cst.Module) or source.module
        for area in dict.fromkeys((scope, source.module)):
            found = [
                (source.span(bound.node)[0], bound) for bound in bindings(source, node.value, area)
            ]
            above = [pair for pair in found if pair[0] < limit]
            if area is not scope:
                above = found  # a global: the function runs when all are assigned
            if above:
                return max(above, key=lambda pair: pair[0])[1]
            if isinstance(scope, cst.FunctionDef) and any(
                p.name.value == node.value for p in scope.params.params
            ):
                return None
        return None


def _argument_of(call: cst.Call) -> cst.BaseExpression | None:
    return call.args[0].value if last_name(call.func) in INDEX_FROM and call.args else None


def derived(feed: Feed, origin: Feed) -> bool:
    """Whether a variable is cut out of another one behind the place where that one is used."""
    source = feed.source
    if source is not origin.source or feed.name == origin.name:
        return False
    start = source.span(origin.use)[0]
    for bound in bindings(source, feed.name, feed.scope):
        value = bound.value
        if bound.part and isinstance(value, cst.Tuple) and bound.part[0] < len(value.elements):
            value = value.elements[bound.part[0]].value
        value = _stem(value)
        if isinstance(value, cst.Name) and value.value == origin.name:
            return source.span(bound.node)[0] > start
    return False


def _stem(value: cst.BaseExpression | None) -> cst.BaseExpression | None:
    """What an expression takes its data from: `X` of `torch.tensor(X[40:]).float()`."""
    while True:
        if isinstance(value, cst.Subscript):
            value = value.value
        elif not isinstance(value, cst.Call):
            return value
        elif last_name(value.func) in TENSORS and value.args:
            value = value.args[0].value
        elif isinstance(value.func, cst.Attribute) and value.func.attr.value in SAME:
            value = value.func.value
        else:
            return value


def _stored(
    source: Source, getter: cst.FunctionDef, maker: cst.FunctionDef, part: Sequence[int]
) -> str:
    """The constructor's parameter behind an item of a sample; '' where that is not clear."""
    for back in source.all(cst.Return, getter):
        item = back.value
        if part and isinstance(item, cst.Tuple) and part[0] < len(item.elements):
            item = item.elements[part[0]].value
        if item is None:
            continue
        fields = [
            dotted(a)
            for a in [item, *source.all(cst.Attribute, item)]
            if isinstance(a, cst.Attribute) and dotted(a).startswith("self.")
        ]
        fields = [f for f in fields if f.count(".") == 1]
        params = [p.name.value for p in maker.params.params][1:]
        for target, value in _assignments(source, maker):
            if fields and dotted(target) == fields[0]:
                used = [
                    n.value
                    for n in [value, *source.all(cst.Name, value)]
                    if isinstance(n, cst.Name) and n.value in params
                ]
                return used[0] if len(set(used)) == 1 else ""
    return ""


def _assignments(
    source: Source, within: cst.CSTNode
) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    """Targets and their values, those of `a, b = c, d` one by one."""
    for assign in source.all(cst.Assign, within):
        for target in assign.targets:
            if isinstance(target.target, cst.Tuple) and isinstance(assign.value, cst.Tuple):
                pairs = zip(target.target.elements, assign.value.elements, strict=False)
                yield from ((one.value, other.value) for one, other in pairs)
            else:
                yield target.target, assign.value
