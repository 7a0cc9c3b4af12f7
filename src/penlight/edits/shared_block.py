"""A block that ends in an activation and serves as hidden and as last layer, made to end bare."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.flow import assigned_to, put
from penlight.edits.heads import Applied, applications, head_op, last_layer
from penlight.edits.names import fresh
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted
from penlight.edits.values import add_argument


def bare_at_the_end(scene: Scene) -> list[Change]:
    """The changes that build the last one of several blocks without its activation.

    The block gets an argument for it; [] where the last layer belongs to no such block.
    """
    kind, _ = head_op(scene.run)
    for name in _from_the_inside(last_layer(scene.run)):
        module = scene.run.module(name)
        for source, block in _classes(scene, module.type if module is not None else ""):
            inside = [
                a
                for a in applications(source, kind)
                if a.inner is not None and _forward(source, a.node, block)
            ]
            makers = [c for f in scene.files for c in scene.source(f).calls(block.name.value)]
            if module is None or len(inside) != 1 or len(makers) < 2:
                continue
            try:
                place, calls = scene.calls_at(module.source, block.name.value)
            except Refused:  # built in another way
                continue
            return _switched(source, block, inside[0], (place, calls[-1]))
    return []


def _from_the_inside(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _classes(scene: Scene, name: str) -> Iterator[tuple[Source, cst.ClassDef]]:
    for source in map(scene.source, scene.files):
        for node in source.all(cst.ClassDef):
            if node.name.value == name:
                yield source, node


def _forward(source: Source, node: cst.CSTNode, block: cst.ClassDef) -> bool:
    function = source.enclosing(node, cst.FunctionDef)
    known = isinstance(function, cst.FunctionDef) and function.name.value == "forward"
    return known and source.inside(node, block)


def _switched(
    source: Source, block: cst.ClassDef, applied: Applied, last: tuple[Source, cst.Call]
) -> list[Change]:
    init = next((f for f in source.all(cst.FunctionDef, block) if f.name.value == "__init__"), None)
    supers = [c for c in source.calls("__init__", within=init) if "super" in source.code(c)]
    if init is None or not supers or dotted(init.params.params[0].name) != "self":
        return []
    name = fresh(source, "activate", "with_activation")
    end = source.span(init.params.params[-1])[1]
    end -= source.text[:end].endswith(",")
    return [
        source.insert(end, f", {name}=True"),
        source.after(supers[0], f"self.{name} = {name}"),
        *_on_demand(source, applied, f"self.{name}"),
        add_argument(*last, f"{name}=False"),
    ]


def _on_demand(source: Source, applied: Applied, wanted: str) -> Iterator[Change]:
    """The activation under a condition: as a statement of its own where it is assigned."""
    node, inner = applied.node, applied.inner
    assert inner is not None
    whole, text = source.code(node), source.code(inner)
    kept = assigned_to(source, node)
    if not kept or kept == text:  # return relu(x), x = relu(x)
        yield put(source, node, f"{whole} if {wanted} else {text}")
        return
    start, (first, last) = source.span(node)[0], source.span(inner)
    again = whole[: first - start] + kept + whole[last - start :]
    yield source.replace(node, text)
    yield source.after(node, f"if {wanted}:\n    {kept} = {again}")
