"""Follows values through the text: what a name stands for, what becomes of an expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from penlight.edits.models import SCOPES
from penlight.edits.source import Change, Source, last_name

DEPTH = 8  # names followed in a row
ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.Integer, cst.Float, cst.Tuple)
PLAIN = (cst.Arg, cst.Return, cst.Assign, cst.AnnAssign, cst.Expr, cst.Element, cst.Yield)


def made_of(source: Source, value: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """An expression, and what the names in it were last set to above it, and so on."""
    seen: set[int] = set()
    queue: list[tuple[cst.BaseExpression, int]] = [(value, 0)]
    while queue:
        node, depth = queue.pop(0)
        yield node
        names = [node] if isinstance(node, cst.Name) else list(source.all(cst.Name, node))
        for name in names:
            found = last_value(source, name) if depth < DEPTH else None
            if found is not None and id(found) not in seen:
                seen.add(id(found))
                queue.append((found, depth + 1))


def last_value(source: Source, name: cst.Name) -> cst.BaseExpression | None:
    """What a name was last set to above the place where it is read, in the same scope.

    For one of several names that share a value, `out, state = rnn(x)`, the whole value.
    """
    scope, limit, found = source.enclosing(name, *SCOPES), source.span(name)[0], None
    for target in source.all(cst.AssignTarget, scope):
        several = target.target.elements if isinstance(target.target, cst.Tuple) else ()
        named = [last_name(e.value) for e in several] or [last_name(target.target)]
        assign = source.parent(target)
        if (
            name.value in named
            and not isinstance(target.target, (cst.Attribute, cst.Subscript))
            and isinstance(assign, cst.Assign)
            and source.enclosing(target, *SCOPES) is scope
            and source.span(assign)[1] <= limit
        ):
            found = assign.value
    return found


def calls_in(source: Source, value: cst.BaseExpression) -> Iterator[cst.Call]:
    """All calls that had a part in making an expression, as far as one function shows."""
    for node in made_of(source, value):
        if isinstance(node, cst.Call):
            yield node
        yield from source.all(cst.Call, node)


def assigned_to(source: Source, value: cst.BaseExpression) -> str:
    """What a value is assigned to, as it is written: "self.layer"; '' when it is not."""
    parent = source.parent(value)
    return source.code(parent.targets[0].target) if isinstance(parent, cst.Assign) else ""


def put(source: Source, node: cst.BaseExpression, text: str) -> Change:
    """Put a text in an expression's place, in parentheses where its surroundings need them."""
    parent = source.parent(node)
    simple = isinstance(parent, PLAIN) or isinstance(parse(text), ATOMS)
    return source.replace(node, text if simple else f"({text})")


def whole(source: Source, node: cst.BaseExpression) -> str:
    """The text of an expression as a part of a larger one: in parentheses where it needs them."""
    text = source.code(node)
    return text if isinstance(node, ATOMS) else f"({text})"


def unwrap(source: Source, node: cst.BaseExpression, inner: cst.BaseExpression) -> Change:
    """Put a part of an expression in its place; `x = f(x)` goes altogether."""
    statement = source.parent(node)
    text = source.code(inner)
    if isinstance(statement, cst.Assign) and [source.code(t.target) for t in statement.targets] == [
        text
    ]:
        return source.drop(statement)
    owned = isinstance(statement, cst.Attribute) and len(node.lpar) == 1
    if owned and isinstance(inner, ATOMS):  # (-loss).backward(): nothing is left to hold together
        start, end = source.span(node)
        opens, closes = source.text.rindex("(", 0, start), source.text.index(")", end)
        return Change(source.file, opens, closes + 1, text)
    return put(source, node, text)


def parse(text: str) -> cst.BaseExpression | None:
    """A text as an expression, None when it is none."""
    try:
        return cst.parse_expression(text)
    except cst.ParserSyntaxError:
        return None


def uses(source: Source, target: cst.BaseExpression) -> list[cst.BaseExpression]:
    """Where else a name such as `act` or `self.act` is read in the file.

    An attribute of self counts in its class only, a local name in its function only.
    """
    text = source.code(target)
    scope: cst.CSTNode | None = source.module
    if text.startswith("self."):
        scope = source.enclosing(target, cst.ClassDef)
    elif isinstance(target, cst.Name):
        scope = source.enclosing(target, cst.FunctionDef, cst.ClassDef, cst.Module)
    return [
        node
        for node in source.all(type(target), scope)
        if source.code(node) == text
        and node is not target
        and not isinstance(source.parent(node), (cst.AssignTarget, cst.Attribute, cst.Param))
    ] + [
        node
        for node in source.all(type(target), scope)
        if source.code(node) == text
        and isinstance(parent := source.parent(node), cst.Attribute)
        and parent.value is node
    ]


def entry(source: Source, node: cst.CSTNode) -> cst.Arg | cst.BaseElement | None:
    """The place of a layer among others: an argument of Sequential, an element of a list."""
    parent = source.parent(node)
    if isinstance(parent, cst.Element):
        around = source.parent(parent)
        pair = isinstance(around, cst.Tuple) and isinstance(source.parent(around), cst.Element)
        if pair:  # ("act", nn.ReLU()) in an OrderedDict
            outer = source.parent(around)  # type: ignore[arg-type]
            return outer if isinstance(outer, cst.Element) else None
        return parent if isinstance(around, (cst.List, cst.Tuple)) else None
    if isinstance(parent, cst.Arg) and parent.keyword is None:
        call = source.parent(parent)
        if isinstance(call, cst.Call) and last_name(call.func) == "Sequential":
            return parent
    return None


def siblings(source: Source, item: cst.CSTNode) -> Sequence[cst.CSTNode]:
    """The entries of the list or call that an entry stands in."""
    around = source.parent(item)
    if isinstance(around, cst.Call):
        return around.args
    assert isinstance(around, (cst.List, cst.Tuple))
    return around.elements


def drop_entry(source: Source, item: cst.Arg | cst.BaseElement) -> Change:
    """Take one entry out of a list or call, with its line if it stands alone there."""
    start, end = source.span(item)[0], source.span(item.value)[1]  # a keyword goes, too
    text = source.text
    line = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    rest = text[end : len(text) if stop < 0 else stop].split("#")[0].strip()
    if not text[line:start].strip() and rest in ("", ","):
        return Change(source.file, line, stop + 1, "")
    row = list(siblings(source, item))
    at = row.index(item)
    if at:
        return Change(source.file, source.span(row[at - 1].value)[1], end, "")  # type: ignore[attr-defined]
    if len(row) > 1:
        return Change(source.file, start, source.span(row[1])[0], "")
    return Change(source.file, start, end, "")


def add_entry(source: Source, item: cst.Arg | cst.BaseElement, text: str) -> Change:
    """Put one more entry behind another, on a line of its own where that one has one."""
    start, end = source.span(item.value)
    line = source.text.rfind("\n", 0, start) + 1
    indent = source.text[line:start]
    return source.insert(end, f",\n{indent}{text}" if not indent.strip() else f", {text}")
