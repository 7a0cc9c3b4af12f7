"""Follows a value to the place where its author would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name

NUMBERS = (cst.Integer, cst.Float, cst.UnaryOperation)


def set_argument(
    scene: Scene,
    source: Source,
    call: cst.Call,
    name: str,
    text: str,
    position: int | None = None,
) -> Sequence[Change]:
    """Changes that make a call's argument have the value written in `text`.

    Follows a constant, an argparse default, a config entry or a dataclass field to where it is
    written, if nothing else uses it; otherwise the value is set at the call itself.
    """
    arg = argument(call, name, position)
    if arg is None:
        rest = next((a.value for a in call.args if a.star == "**"), None)
        if rest is not None:
            return (_unpacked(scene, source, rest, name, text),)
        return (add_argument(source, call, f"{name}={text}"),)
    origin = _origin(scene, source, arg.value)
    if origin is not None:
        return (origin[0].replace(origin[1], text),)
    return (source.replace(arg.value, text),)


def _unpacked(
    scene: Scene, source: Source, rest: cst.BaseExpression, name: str, text: str
) -> Change:
    """The change of an argument that may come out of a dict: `SGD(parameters, **settings)`."""
    found = [(s, v) for s in map(scene.source, scene.files) for v in _entries(s, name)]
    if len(found) == 1 and isinstance(found[0][1], NUMBERS):
        return found[0][0].replace(found[0][1], text)
    return source.replace(rest, f'{{**{source.code(rest)}, "{name}": {text}}}')


def add_argument(source: Source, call: cst.Call, text: str) -> Change:
    """Append an argument to a call."""
    if not call.args:
        _, end = source.span(call)
        return source.insert(end - 1, text)
    _, end = source.span(call.args[-1].value)
    rest = source.text[end : source.span(call)[1]]
    if rest.lstrip().startswith(",") and "\n" in rest:  # one argument a line, comma at the end
        start, _ = source.span(call.args[-1])
        line = source.text.rfind("\n", 0, start) + 1
        indent = source.text[line:start]
        if not indent.strip():
            comma = source.text.index(",", end) + 1
            return source.insert(comma, f"\n{indent}{text},")
    return source.insert(end, f", {text}")


def number(scene: Scene, source: Source, node: cst.BaseExpression) -> float | None:
    """The number an expression stands for, where the text alone tells it."""
    if isinstance(node, NUMBERS):
        return _literal(source, node)
    origin = _origin(scene, source, node)
    return None if origin is None else _literal(origin[0], origin[1])


def _literal(source: Source, node: cst.BaseExpression) -> float | None:
    try:
        return float(source.code(node).replace("_", ""))
    except ValueError:
        return None


def _origin(
    scene: Scene, source: Source, node: cst.BaseExpression
) -> tuple[Source, cst.BaseExpression] | None:
    """The literal that an expression takes its value from; None where that is not certain."""
    if isinstance(node, NUMBERS):
        return source, node
    found: list[tuple[Source, cst.BaseExpression]] = []
    if isinstance(node, cst.Name):
        found = [(source, value) for value in _assigned(source, node)]
    elif isinstance(node, cst.Attribute):
        found = list(_configured(scene, node.attr.value))
    elif isinstance(node, cst.Subscript) and len(node.slice) == 1:
        index = node.slice[0].slice
        if isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString):
            found = list(_configured(scene, str(index.value.evaluated_value)))
    if len(found) != 1:
        return None
    where, value = found[0]
    if isinstance(value, NUMBERS):
        return where, value
    if isinstance(value, cst.Name) and isinstance(node, cst.Name) and value.value != node.value:
        return _origin(scene, where, value)  # Net(HIDDEN): the constant that was passed
    return None


def _assigned(source: Source, name: cst.Name) -> Iterator[cst.BaseExpression]:
    """All values ever given to a plain name in the file: assignments and default arguments."""
    for node in source.all(cst.AssignTarget):
        assign = source.parent(node)
        assert isinstance(assign, cst.Assign)
        for target, value in _pairs(node.target, assign.value):
            if isinstance(target, cst.Name) and target.value == name.value:
                yield value
    for param in source.all(cst.Param):
        if param.name.value == name.value:
            passed = _passed(source, param)
            if not passed:
                yield param.default if param.default is not None else name
            # train(lr) hands on the outer variable of that name, whose values are here already.
            yield from (
                v for v in passed if not (isinstance(v, cst.Name) and v.value == name.value)
            )


def _pairs(
    target: cst.BaseExpression, value: cst.BaseExpression
) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    """What each name of an assignment is given; of `a, b = f()` both the whole."""
    if not isinstance(target, cst.Tuple):
        yield target, value
        return
    targets = [e.value for e in target.elements]
    values = [e.value for e in value.elements] if isinstance(value, cst.Tuple) else []
    whole = [value] * len(targets)
    yield from zip(targets, values if len(values) == len(targets) else whole, strict=True)


def _passed(source: Source, param: cst.Param) -> list[cst.BaseExpression]:
    """What the file's own calls give to a parameter of one of its functions."""
    function = source.enclosing(param, cst.FunctionDef)
    if not isinstance(function, cst.FunctionDef):
        return []
    names = [p.name.value for p in function.params.params]
    target, position = (
        function.name.value,
        names.index(param.name.value) if (param.name.value in names) else None,
    )
    if target == "__init__":
        owner = source.enclosing(function, cst.ClassDef)
        target = owner.name.value if isinstance(owner, cst.ClassDef) else target
        position = None if position is None else position - 1
    values = []
    for call in source.calls(target):
        arg = argument(call, param.name.value, position)
        if arg is not None:
            values.append(arg.value)
    return values


def _configured(scene: Scene, key: str) -> Iterator[tuple[Source, cst.BaseExpression]]:
    """Values of an argparse option, a dict entry, a dataclass field or `self.key = 0.1`."""
    for file in scene.files:
        source = scene.source(file)
        yield from ((source, value) for value in _options(scene, source, key))
        yield from ((source, value) for value in _entries(source, key))
        yield from ((source, value) for value in _attributes(source, key))


def _options(scene: Scene, source: Source, key: str) -> Iterator[cst.BaseExpression]:
    """Defaults of an argparse option; the call itself where the command line sets it."""
    option = "--" + key.replace("_", "-")
    given = any(word.split("=")[0].replace("_", "-") == option for word in scene.argv)
    for call in source.calls("add_argument"):
        flags = [a.value for a in call.args if a.keyword is None]
        names = {
            str(flag.evaluated_value).replace("_", "-")
            for flag in flags
            if isinstance(flag, cst.SimpleString)
        }
        default = argument(call, "default")
        if option in names and default is not None:
            yield call if given else default.value


def _entries(source: Source, key: str) -> Iterator[cst.BaseExpression]:
    """Values of a key in dict literals, and in calls that make a dict or a namespace."""
    for element in source.all(cst.DictElement):
        if isinstance(element.key, cst.SimpleString) and element.key.evaluated_value == key:
            yield element.value
    for call in source.calls("dict", "SimpleNamespace", "Namespace"):
        arg = argument(call, key)
        if arg is not None:
            yield arg.value


def _attributes(source: Source, key: str) -> Iterator[cst.BaseExpression]:
    """Values of a class's field or an object's attribute."""
    for field in source.all(cst.AnnAssign):
        if last_name(field.target) == key and field.value is not None:
            yield field.value
    for target in source.all(cst.AssignTarget):
        owner = source.enclosing(target, cst.ClassDef, cst.FunctionDef)
        named = isinstance(target.target, cst.Attribute) or isinstance(owner, cst.ClassDef)
        assign = source.parent(target)
        if last_name(target.target) != key or not named or not isinstance(assign, cst.Assign):
            continue
        if isinstance(assign.value, cst.Name):  # self.lr = lr: what the constructor was given
            yield from _assigned(source, assign.value)
        else:
            yield assign.value


def set_value(scene: Scene, source: Source, node: cst.BaseExpression, text: str) -> Change:
    """The change that makes an expression have the value in `text`, where its author wrote it."""
    origin = _origin(scene, source, node)
    if origin is not None:
        return origin[0].replace(origin[1], text)
    return source.replace(node, text)


def listed(source: Source, node: cst.CSTNode, text: str) -> Change:
    """The change that puts an item behind another one of a list or call: on a line of its own if
    the other one has its line for itself."""
    start, end = source.span(node)
    first = source.text.rfind("\n", 0, start) + 1
    indent = source.text[first:start]
    stop = source.text.find("\n", end)
    stop = len(source.text) if stop < 0 else stop
    rest = source.text[end:stop].partition("#")[0].strip()
    if indent.strip() or rest not in ("", ","):
        return source.insert(end, f", {text}")
    if rest:  # behind its comma, and its comment
        return source.insert(stop, f"\n{indent}{text},")
    return source.insert(end, f",\n{indent}{text}")
