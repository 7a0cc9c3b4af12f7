"""same-scale: held-out rows are scaled as the training rows are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.bindings import bindings
from penlight.edits.edit import Edit, Refused
from penlight.edits.models import SCOPES
from penlight.edits.names import fresh
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name
from penlight.edits.values import listed

# "train_x", "X_train", "Xtrain", "self.trainX": the word as a part of a name.
TRAIN = re.compile(r"(?:(?<![a-zA-Z])|(?<=[xX]))(train(ing)?|Train(ing)?|TRAIN)(?![a-z])")
HELD = ("val", "valid", "validation", "test", "testing", "eval", "dev", "held", "holdout")
WORDS = tuple(form for word in HELD for form in (word, word.capitalize(), word.upper()))
SCALING = re.compile(r"normal|scale|standard|to_?tensor", re.IGNORECASE)
RANDOM = re.compile(r"rand|flip|crop|jitter|shift|rotat|noise|augment|blur|erase", re.IGNORECASE)
LABELS = re.compile(r"(?<![a-zA-Z])([yY]|labels?|targets?)(?![a-z])")
STATISTICS = ("mean", "std", "var", "min", "max", "amin", "amax", "median", "quantile", "norm")
FITTING = "fit_transform"
ARITHMETIC = (cst.Divide, cst.Subtract, cst.Multiply)
IN_PLACE = (cst.DivideAssign, cst.SubtractAssign, cst.MultiplyAssign)

Scaling = cst.Assign | cst.AugAssign


@dataclass(frozen=True)
class SameScale(Edit):
    """Give the held-out part the scaling that stands in the source for the training part alone."""

    @property
    def says(self) -> str:
        return "Scale the held-out rows as the training rows are scaled"

    def source(self, scene: Scene) -> Sequence[Change]:
        for file in scene.files:
            source = scene.source(file)
            for find in (_pipelines, _refitted, _conditions, _variables):
                changes = list(find(source))
                if changes:
                    return changes
        raise Refused(
            "Which scaling the training rows get and the others lack cannot be told from the text.",
            "Send both parts through one function, with the training part's mean and deviation.",
        )


# -- lists of transforms, and functions that hold them -------------------------------------------


def _pipelines(source: Source) -> Iterator[Change]:
    """`val_tf = Compose([ToTensor()])`, where `train_tf` has a `Normalize(...)` too."""
    made = {
        dotted(assign.targets[0].target): assign.value
        for assign in source.all(cst.Assign)
        if isinstance(assign.value, (cst.Call, cst.Lambda))
    }
    for name, value in made.items():
        for twin in _twins(name):
            other = made.get(twin)
            if isinstance(value, cst.Lambda) and isinstance(other, cst.Lambda):
                yield from _function(source, value, other)
            elif other is not None:
                rows = _steps(source, value), _steps(source, other)
                if rows[0] and rows[1]:
                    yield from _completed(source, rows[0], rows[1])


def _steps(source: Source, value: cst.BaseExpression) -> list[cst.BaseExpression]:
    """The transforms of the one Compose([...]) in an expression."""
    composed = [c for c in [value, *source.all(cst.Call, value)] if _composes(c)]
    if len(composed) != 1:
        return []
    assert isinstance(composed[0], cst.Call)
    given = [a.value for a in composed[0].args]
    if len(given) == 1 and isinstance(given[0], (cst.List, cst.Tuple)):
        return [e.value for e in given[0].elements]
    return given


def _composes(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Call) and last_name(node.func) in ("Compose", "Sequential")


def _completed(
    source: Source, train: Sequence[cst.BaseExpression], held: Sequence[cst.BaseExpression]
) -> Iterator[Change]:
    """The scaling steps of one list that the other one lacks, or has with other numbers."""
    known = {_kind(source, step): step for step in held}
    behind = held[-1]
    for at, step in enumerate(train):
        code, kind = source.code(step), _kind(source, step)
        same = known.get(kind)
        if same is not None:
            if SCALING.search(kind) and source.code(same) != code:
                yield source.replace(same, code)
        elif SCALING.search(kind) and not RANDOM.search(kind):
            before = [known[k] for s in train[:at] if (k := _kind(source, s)) in known]
            yield listed(source, before[-1] if before else behind, code)


def _kind(source: Source, step: cst.BaseExpression) -> str:
    return last_name(step.func) if isinstance(step, cst.Call) else source.code(step)


def _function(source: Source, train: cst.Lambda, held: cst.Lambda) -> Iterator[Change]:
    """`lambda img: to_tensor(img)` beside `lambda img: normalize(to_tensor(img))`."""
    code, other = source.code(train), source.code(held)
    calls = {last_name(c.func) for c in source.all(cst.Call, train)}
    lacking = calls - {last_name(c.func) for c in source.all(cst.Call, held)}
    if code != other and not RANDOM.search(code) and any(map(SCALING.search, lacking)):
        yield source.replace(held, code)


# -- a condition: `if train:` --------------------------------------------------------------------


def _conditions(source: Source) -> Iterator[Change]:
    """Scaling that a Dataset does under a condition for its training part."""
    for test in source.all(cst.If):
        body, other = test.body, test.orelse
        if not isinstance(body, cst.IndentedBlock) or isinstance(other, cst.If):
            continue  # of three parts
        last = body.body[-1]
        inner = last.body[0] if isinstance(last, cst.SimpleStatementLine) else last
        if (
            TRAIN.search(source.code(test.test))
            and "self.training" not in source.code(test.test)  # a layer's own mode: dropout by hand
            and isinstance(inner, (cst.Assign, cst.AugAssign))
            and _scales(source, inner)
            and not (other and _scaled(source, _target(inner), other))
        ):
            code = source.code(inner)
            if len(body.body) == 1 and other is None:
                yield source.replace(test, code)
            else:
                yield source.drop(inner)
                yield source.after(test, code)
            return


def _scaled(source: Source, name: str, within: cst.CSTNode) -> bool:
    """Whether a name gets another scale somewhere."""
    return any(_target(s) == name for s in _scalings(source, within))


# -- a scaler that is fitted on each part --------------------------------------------------------


def _refitted(source: Source) -> Iterator[Change]:
    """`scaler.fit_transform(X_test)`, after the same call for the training part."""
    fitted = [
        (call.func, dotted(call.args[0].value))
        for call in source.calls(FITTING)
        if isinstance(call.func, cst.Attribute) and call.args
    ]
    for train, name in fitted:
        others = [func for func, other in fitted if other in _twins(name)]
        if not others:
            continue
        scaler = dotted(train.value)
        if not scaler:  # StandardScaler().fit_transform(X_train)
            scaler = fresh(source, "scaler")
            yield source.before(train, f"{scaler} = {source.code(train.value)}")
            yield source.replace(train.value, scaler)
        for func in others:
            yield source.replace(func, f"{scaler}.transform")


# -- variables: train_x = (train_x - mean) / std -------------------------------------------------


def _variables(source: Source) -> Iterator[Change]:
    found = list(_scalings(source))
    for name in dict.fromkeys(map(_target, found)):
        if LABELS.search(name):
            continue
        for twin in _twins(name):
            yield from _alike(
                source,
                sorted((s for s in found if _target(s) == name), key=source.span),
                [s for s in found if _target(s) == twin],
                twin,
            )


def _alike(
    source: Source, train: Sequence[Scaling], held: Sequence[Scaling], twin: str
) -> Iterator[Change]:
    """The scaling statements of the training part for another one, instead of its own."""
    scope = source.enclosing(train[0], *SCOPES) or source.module
    made = [b.node for b in bindings(source, twin, scope)]
    wanted = {s: _renamed(source, s, _target(s), twin) for s in train}
    lacking = [s for s in train if wanted[s] not in map(source.code, held)]
    extra = [s for s in held if source.code(s) not in wanted.values()]
    late = [n for n in made if n not in held and source.span(n) > source.span(train[0])]
    if not made or not lacking or late:
        return
    for statement in extra:
        yield source.drop(statement)
    for statement in lacking:
        fits = FITTING in source.code(statement)
        place = source.after if fits else source.before  # before the training rows are changed
        yield place(statement, wanted[statement])


def _renamed(source: Source, statement: Scaling, name: str, twin: str) -> str:
    """The statement for another part; statistics stay those of the training part."""
    text, start = source.code(statement), source.span(statement)[0]
    for node in sorted(_within(source, statement), key=source.span, reverse=True):
        if dotted(node) == name and not _measured(source, node):
            first, last = (at - start for at in source.span(node))
            text = text[:first] + twin + text[last:]
    return text.replace(FITTING, "transform")


def _measured(source: Source, node: cst.CSTNode) -> bool:
    """Whether a name stands where its mean or its spread is taken: `x.mean(0)`, `np.std(x)`."""
    return any(
        isinstance(parent, cst.Call) and last_name(parent.func) in STATISTICS
        for parent in source.parents(node)
    )


def _scalings(source: Source, within: cst.CSTNode | None = None) -> Iterator[Scaling]:
    """The statements that give a variable another scale."""
    made: list[Scaling] = [*source.all(cst.Assign, within), *source.all(cst.AugAssign, within)]
    for statement in made:
        if _scales(source, statement):
            yield statement


def _scales(source: Source, statement: Scaling) -> bool:
    """Whether a statement gives a variable another scale: `x = (x - mean) / std`."""
    name = _target(statement)
    if isinstance(statement, cst.AugAssign):
        return isinstance(statement.operator, IN_PLACE) and bool(name)
    value = statement.value
    if not name or not any(dotted(n) == name for n in _within(source, value)):
        return False
    if isinstance(value, cst.BinaryOperation):
        return isinstance(value.operator, ARITHMETIC)
    return isinstance(value, cst.Call) and bool(
        SCALING.search(last_name(value.func)) or last_name(value.func) == FITTING
    )


def _within(source: Source, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Names and attributes in a node, and the node itself."""
    yield node
    yield from source.all(cst.Name, node)
    yield from source.all(cst.Attribute, node)


def _target(statement: Scaling) -> str:
    if isinstance(statement, cst.AugAssign):
        return dotted(statement.target)
    return dotted(statement.targets[0].target) if len(statement.targets) == 1 else ""


def _twins(name: str) -> Iterator[str]:
    """What the held-out part may be called: "val_x" of "train_x"."""
    if TRAIN.search(name):
        yield from dict.fromkeys(TRAIN.sub(word, name) for word in WORDS)
