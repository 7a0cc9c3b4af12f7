"""eval-mode: model.eval() before each evaluation, model.train() before training goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.models import SCOPES
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name

GRADIENT_FREE = ("no_grad", "inference_mode")


@dataclass(frozen=True)
class EvalMode(Edit):
    """Switch dropout and batch norm over: eval() for an evaluation, train() for training."""

    certain = True

    @property
    def says(self) -> str:
        return "Call model.eval() before each evaluation and model.train() before training goes on"

    def source(self, scene: Scene) -> Sequence[Change]:
        changes = [c for file in scene.files for c in _evaluations(scene, scene.source(file))]
        changes += _training(scene)
        if not changes:
            raise Refused(
                "No evaluation without model.eval() can be told from the text.",
                "Call model.eval() before every evaluation, and model.train() after it.",
            )
        return changes


def _evaluations(scene: Scene, source: Source) -> Iterator[Change]:
    """model.eval() in front of each block, or in each function, that has no gradients."""
    for block in source.all(cst.With):
        inner = any(isinstance(p, cst.With) and _gradient_free(p) for p in source.parents(block))
        if _gradient_free(block) and not inner:
            model = model_in(scene, source, block)
            if model and not _switched(source, block, model):
                yield source.before(block, f"{model}.eval()")
    for function in source.all(cst.FunctionDef):
        decorators = [d.decorator for d in function.decorators]
        names = [last_name(d.func if isinstance(d, cst.Call) else d) for d in decorators]
        if any(n in GRADIENT_FREE for n in names) and isinstance(function.body, cst.IndentedBlock):
            model = model_in(scene, source, function)
            modes = [
                c
                for c in source.calls("eval", within=function)
                if isinstance(c.func, cst.Attribute)
            ]
            if model and not modes and function.name.value != "forward":
                yield source.before(_first(function.body), f"{model}.eval()")


def _gradient_free(block: cst.With) -> bool:
    return any(
        last_name(i.item.func) in GRADIENT_FREE for i in block.items if isinstance(i.item, cst.Call)
    )


def _first(body: cst.IndentedBlock) -> cst.CSTNode:
    """The first statement of a block that is no docstring."""
    for line in body.body:
        statement = line.body[0] if isinstance(line, cst.SimpleStatementLine) else line
        text = isinstance(statement, cst.Expr) and isinstance(
            statement.value, (cst.SimpleString, cst.ConcatenatedString)
        )
        if not text:
            return statement
    raise Refused("A function without statements has no place for model.eval().")


def model_in(scene: Scene, source: Source, block: cst.CSTNode) -> str:
    """What a piece of evaluation calls its model; '' when it does not call it."""
    roots = {m.root for m in scene.run.modules}
    called = [dotted(c.func) for c in source.all(cst.Call, block)]
    for name in called:
        if name.rpartition(".")[2] in roots:
            return name
    function = source.enclosing(block, cst.FunctionDef)
    function = block if isinstance(block, cst.FunctionDef) else function
    if not isinstance(function, cst.FunctionDef):
        return ""
    params = [p.name.value for p in function.params.params if p.name.value != "self"]
    for i, param in enumerate(params):
        if param in called and roots & set(_given(scene, function.name.value, i)):
            return param
    return ""


def _given(scene: Scene, name: str, position: int) -> Iterator[str]:
    """What the calls of a function of the project give to one of its parameters."""
    for file in scene.files:
        for call in scene.source(file).calls(name):
            if len(call.args) > position:
                yield last_name(call.args[position].value)


def _switched(source: Source, block: cst.CSTNode, model: str) -> bool:
    """Whether eval() is called above a block, in its own block or function, or inside of it."""
    scope = source.enclosing(block, cst.FunctionDef, cst.For, cst.While, cst.Module)
    start, end = source.span(block)
    training = [source.span(c)[0] for c in source.calls("backward", "train", within=scope)]
    for call in source.calls("eval", within=scope):
        if isinstance(call.func, cst.Attribute) and source.code(call.func.value) == model:
            at = source.span(call)[0]
            if at < end and not any(at < t < start for t in training):
                return True
    return False


def _training(scene: Scene) -> list[Change]:
    """model.train() where a training loop is gone through again after an evaluation."""
    try:
        loop = scene.loop
    except Refused:
        return []
    source = loop.source
    scope = source.enclosing(loop.backward, *SCOPES)
    around = [
        p
        for p in source.parents(loop.backward)
        if isinstance(p, (cst.For, cst.While)) and source.enclosing(p, *SCOPES) is scope
    ]
    whole: cst.CSTNode = around[-1] if around else (scope or source.module)
    if isinstance(scope, cst.FunctionDef) and len(around) < 2:
        whole = scope
    if any(isinstance(c.func, cst.Attribute) for c in source.calls("train", within=whole)):
        return []
    model = model_in(scene, source, around[0] if around else whole)
    if not model or not around:
        return []
    if len(around) > 1 or isinstance(scope, cst.FunctionDef):
        return [source.before(around[0], f"{model}.train()")]
    body = around[0].body
    if not isinstance(body, cst.IndentedBlock):
        return []
    return [source.before(_first(body), f"{model}.train()")]
