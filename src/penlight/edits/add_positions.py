"""add-positions: what is learnt of its place is added to each token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import put
from penlight.edits.models import is_module
from penlight.edits.names import member
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, dotted, last_name

# Layers that meet tokens first, and the argument that says how wide they make them.
WIDTHS = {"Embedding": ("embedding_dim", 1), "Linear": ("out_features", 1)}
NAME = "places"


@dataclass(frozen=True)
class AddPositions(Edit):
    """Add an embedding of its place to each token, behind the layer that the tokens meet first.

    An encoding that counts along the batch is turned instead.
    """

    new_rate = True

    @property
    def says(self) -> str:
        return "Give each token an encoding of its place in the row"

    def source(self, scene: Scene) -> Sequence[Change]:
        turned = [c for file in scene.files for c in _turned(scene.source(file))]
        if turned:
            return turned
        longest = max((i.shape[1] for i in scene.run.inputs if len(i.shape) > 1), default=0)
        for file in scene.files:
            source = scene.source(file)
            for owner in source.all(cst.ClassDef):
                found = next(_entries(source, owner), None) if is_module(owner) else None
                if found is not None and longest:
                    return _added(source, *found, longest)
        raise Refused(
            "Which layer the tokens meet first is not visible in a forward().",
            "Add them there: x = token(ids) + place(torch.arange(ids.size(1))).",
        )


def _turned(source: Source) -> Iterator[Change]:
    """The changes of `x + pe[: x.size(0)]`, which counts the rows of the batch."""
    for sum_ in source.all(cst.BinaryOperation):
        for tokens, places in ((sum_.left, sum_.right), (sum_.right, sum_.left)):
            if not isinstance(places, cst.Subscript) or not isinstance(sum_.operator, cst.Add):
                continue
            cut = places.slice[0].slice
            longest = cut.upper if isinstance(cut, cst.Slice) and cut.lower is None else None
            name = source.code(tokens)
            sizes = (f"{name}.size(0)", f"{name}.shape[0]")
            if longest is not None and source.code(longest) in sizes:
                along = source.code(longest).replace("(0)", "(1)").replace("[0]", "[1]")
                yield source.replace(longest, along)
                yield source.insert(source.span(places)[1], ".transpose(0, 1)")


def _entries(source: Source, owner: cst.ClassDef) -> Iterator[tuple[cst.Assign, cst.Call, str]]:
    """Where a layer is made that forward() gives its own argument, the call, and the width."""
    made = {
        dotted(assign.targets[0].target): assign
        for assign in source.all(cst.Assign, owner)
        if isinstance(assign.value, cst.Call)
    }
    for function in source.all(cst.FunctionDef, owner):
        if function.name.value != "forward":
            continue
        params = {p.name.value for p in function.params.params[1:]}
        for call in source.all(cst.Call, function):
            assign = made.get(dotted(call.func))
            given = call.args[0].value if len(call.args) == 1 else None
            if assign is None or not isinstance(given, cst.Name) or given.value not in params:
                continue
            maker = assign.value
            assert isinstance(maker, cst.Call)
            name, position = WIDTHS.get(last_name(maker.func), ("", None))
            width = argument(maker, name, position) if name else None
            if width is not None:
                yield assign, call, source.code(width.value)


def _added(
    source: Source, assign: cst.Assign, call: cst.Call, width: str, longest: int
) -> Sequence[Change]:
    if f"self.{NAME}" in source.text:
        raise Refused(f"The model has {NAME} already.")
    embedding, imports = member(source, "torch.nn", "Embedding")
    arange, more = member(source, "torch", "arange")
    tokens = source.code(call.args[0].value)
    places = f"self.{NAME} = {embedding}({longest}, {width})"
    place = f"self.{NAME}({arange}({tokens}.size(1), device={tokens}.device))"
    around = source.parent(call)
    summed = isinstance(around, cst.BinaryOperation) and isinstance(around.operator, cst.Add)
    text = f"{source.code(call)} + {place}"
    return [
        *dict.fromkeys([*imports, *more]),
        source.after(assign, places),
        source.replace(call, text) if summed else put(source, call, text),
    ]
