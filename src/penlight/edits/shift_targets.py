"""shift-targets: the answer to each token is the one that follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import last_value
from penlight.edits.losses import loss_call
from penlight.edits.models import SCOPES
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, last_name

SHAPING = ("view", "reshape", "flatten", "transpose", "permute", "contiguous", "long", "to")
TRANSPOSED = ("mT", "T")
LATER = ("[:, 1:]", "[:,1:]")  # tokens without the first one


@dataclass(frozen=True)
class ShiftTargets(Edit):
    """Compare what is said at each place with the token after it."""

    new_rate = True

    @property
    def says(self) -> str:
        return "Ask at each token for the one that follows"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = loss_call(scene)
        source = found.source
        calls = [c for c in source.calls(last_name(found.call.func)) if len(c.args) >= 2]
        changes = [c for call in [found.call, *calls] for c in _shifted(source, call)]
        if not changes:
            raise Refused(
                "Where input and targets are taken from the same tokens is not visible.",
                "Shift by one: loss(logits[:, :-1], tokens[:, 1:]).",
            )
        return list(dict.fromkeys(changes))


def _shifted(source: Source, call: cst.Call) -> Iterator[Change]:
    """The changes at one call of the loss."""
    said, asked = argument(call, "input", 0), argument(call, "target", 1)
    if said is None or asked is None:
        return
    logits, target = _stem(said.value), _stem(asked.value)
    if not isinstance(target, cst.Name):
        return
    tokens = [_stem(a) for a in _given(source, logits)]
    if any(isinstance(t, cst.Name) and t.value == target.value for t in tokens):
        yield from _cut(source, said.value, logits)
        yield source.replace(target, f"{target.value}[:, 1:]")
        yield from _reshaped(source, asked.value)
        return
    for token in tokens:
        yield from _same_slice(source, token, target)


def _stem(node: cst.BaseExpression) -> cst.BaseExpression:
    """What an expression shapes: `logits` of `logits.view(-1, n)` and of `logits.mT`."""
    while True:
        if isinstance(node, cst.Attribute) and node.attr.value in TRANSPOSED:
            node = node.value
        elif (
            isinstance(node, cst.Call)
            and isinstance(node.func, cst.Attribute)
            and node.func.attr.value in SHAPING
        ):
            node = node.func.value
        else:
            return node


def _given(source: Source, logits: cst.BaseExpression) -> list[cst.BaseExpression]:
    """What the model was given that made the logits."""
    made = last_value(source, logits) if isinstance(logits, cst.Name) else logits
    made = _stem(made) if made is not None else None
    return [a.value for a in made.args] if isinstance(made, cst.Call) else []


def _cut(source: Source, said: cst.BaseExpression, logits: cst.BaseExpression) -> Iterator[Change]:
    """The logits without those of the last place; classes are in dimension 1 if nothing moves."""
    places = ":, :-1" if said is not logits else ":, :, :-1"
    yield source.insert(source.span(logits)[1], f"[{places}]")
    yield from _reshaped(source, said)


def _reshaped(source: Source, node: cst.BaseExpression) -> Iterator[Change]:
    """`view` cannot show a part of memory that has gaps."""
    for call in [node, *source.all(cst.Call, node)]:
        func = call.func if isinstance(call, cst.Call) else None
        if isinstance(func, cst.Attribute) and func.attr.value == "view":
            yield source.replace(func.attr, "reshape")


def _same_slice(source: Source, token: cst.BaseExpression, target: cst.Name) -> Iterator[Change]:
    """Two names for `tokens[:, 1:]`, of which the model is given one and asked for the other."""
    if not isinstance(token, cst.Name):
        return
    for assign in source.all(cst.Assign):
        code = source.code(assign.value)
        if source.code(assign.targets[0].target) == token.value and code.endswith(LATER):
            twin = any(
                source.code(other.value) == code
                and source.code(other.targets[0].target) == target.value
                and source.enclosing(other, *SCOPES) is source.enclosing(assign, *SCOPES)
                for other in source.all(cst.Assign)
            )
            if twin:
                yield source.replace(assign.value, f"{code.rpartition('[')[0]}[:, :-1]")
