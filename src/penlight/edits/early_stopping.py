"""early-stopping: stop when validation no longer improves, and keep the best weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.loops import Epochs, epochs
from penlight.edits.losses import any_loss_call
from penlight.edits.models import known_at, trained
from penlight.edits.names import fresh
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, dotted, last_name
from penlight.edits.values import add_argument

HELD_OUT = ("val", "test", "dev", "eval", "held")
LOWER = ("loss", "err", "mse", "mae", "rmse", "nll", "perplexity", "ppl")
HIGHER = ("acc", "f1", "auc", "score", "r2", "explained", "precision", "recall", "hits")
BY_HAND = (
    "After each validation keep copy.deepcopy(model.state_dict()) if it was the best one, stop "
    "when there was none for a few epochs, and load the kept weights at the end."
)


@dataclass(frozen=True)
class EarlyStopping(Edit):
    """Keep the weights of the best validation, and stop when there was no better one for a while.

    The last evaluation is made again with these weights, so that what the script reports of the
    model is true of the weights it ends with.

    Args:
        patience: epochs without a better validation before training stops.
    """

    patience: int = 5

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003
        yield cls(5)

    @property
    def says(self) -> str:
        return f"Keep the best weights and stop after {self.patience} epochs without a better one"

    def source(self, scene: Scene) -> Sequence[Change]:
        loop = epochs(scene)
        source = loop.source
        if isinstance(loop.node, cst.Call):
            return self._keras(source, loop.node)
        model = trained(scene)
        if source is not model.source or not known_at(
            source, model.name, model.optimizer, loop.node
        ):
            raise Refused("The epochs are counted where the model goes by another name.", BY_HAND)
        metric, statement, named = _metric(source, loop) or _inline(scene, source, loop)
        evaluation = _evaluation(source, loop, statement)
        loss = any(word in metric.lower() for word in LOWER)
        best = fresh(source, f"best_{metric}", "best_value")
        weights = fresh(source, "best_weights", "best_state")
        waited = fresh(source, "waited", "epochs_waited")
        copy, imports = imported(source, "copy")
        start = f'float("{"inf" if loss else "-inf"}")'
        check = (
            f"if {metric} {'<' if loss else '>'} {best}:\n"
            f"    {best}, {waited} = {metric}, 0\n"
            f"    {weights} = {copy}.deepcopy({model.name}.state_dict())\n"
            f"else:\n    {waited} += 1\n"
            f"    if {waited} >= {self.patience}:\n        break"
        )
        ending = f"{model.name}.load_state_dict({weights})"
        if not _evaluates_later(source, loop, evaluation, model.name):
            ending += "\n" + "\n".join(_moved(source, node) for node in evaluation)
        return [
            *imports,
            *named,
            source.before(
                loop.node,
                f"{best}, {waited} = {start}, 0\n"
                f"{weights} = {copy}.deepcopy({model.name}.state_dict())",
            ),
            source.after(_inner(evaluation[-1]), check),
            source.after(loop.node, ending),
        ]

    def _keras(self, source: Source, fit: cst.Call) -> Sequence[Change]:
        held = argument(fit, "validation_data") or argument(fit, "validation_split")
        if held is None:
            raise Refused("fit() is given no validation data.", "Pass validation_split=0.2.")
        if argument(fit, "callbacks") is not None:
            raise Refused("fit() has callbacks already.", "Add keras.callbacks.EarlyStopping.")
        keras, imports = imported(source, "keras.callbacks")
        stop = f"{keras}.EarlyStopping(patience={self.patience}, restore_best_weights=True)"
        return [*imports, add_argument(source, fit, f"callbacks=[{stop}]")]


# The name of the validation's result, the last statement in the loop that computes it, and the
# changes that give it this name.
Metric = tuple[str, cst.BaseSmallStatement, Sequence[Change]]


def _metric(source: Source, loop: Epochs) -> Metric | None:
    """The validation's result, where the loop gives it a name."""
    names: dict[str, cst.BaseSmallStatement] = {}
    for node in source.nodes:
        if not isinstance(node, (cst.Assign, cst.AugAssign)) or not source.inside(node, loop.node):
            continue
        if loop.inner is not None and source.inside(node, loop.inner):
            continue
        if source.enclosing(node, cst.FunctionDef) is not source.enclosing(
            loop.node, cst.FunctionDef
        ):
            continue
        whole = [node.target] if isinstance(node, cst.AugAssign) else node.targets
        targets = [t.target if isinstance(t, cst.AssignTarget) else t for t in whole]
        for target in targets:
            elements = target.elements if isinstance(target, cst.Tuple) else ()
            for part in [target, *(e.value for e in elements)]:
                if isinstance(part, cst.Name):
                    names[part.value] = node
    ranked = sorted(names, key=_promise, reverse=True)
    if not ranked or _promise(ranked[0]) == 0:
        return None
    return ranked[0], names[ranked[0]], ()


def _inline(scene: Scene, source: Source, loop: Epochs) -> Metric:
    """The loss of held-out data that is only printed, as in `print(loss_fn(out, val_y))`.

    Raises:
        Refused: the loop shows none.
    """
    for call in source.calls(last_name(any_loss_call(scene).call.func), within=loop.node):
        statement = next((p for p in source.parents(call) if isinstance(p, cst.Expr)), None)
        training = loop.inner is not None and source.inside(call, loop.inner)
        asks = any(word in source.code(a).lower() for a in call.args for word in HELD_OUT)
        if statement is None or training or not asks:
            continue
        name = fresh(source, "val_loss", "held_out_loss")
        line = source.before(statement, f"{name} = {source.code(call)}.item()")
        return name, statement, (line,)
    raise Refused("The loop over epochs shows no validation to go by.", BY_HAND)


def _promise(name: str) -> int:
    """How likely a name holds the validation's result: 0 for not at all."""
    word = name.lower()
    measures = any(w in word for w in (*LOWER, *HIGHER))
    if not measures or any(w in word for w in ("train", "best", "total", "running", "scores")):
        return 0
    held = any(w in word for w in HELD_OUT)
    loss = any(w in word for w in LOWER)
    if held:
        return 3 + loss
    return 1 if not loss else 0


def _evaluation(
    source: Source, loop: Epochs, statement: cst.BaseSmallStatement
) -> list[cst.BaseStatement]:
    """The statements that evaluate the model, all of one block, the metric's as the last one."""
    node: cst.CSTNode = statement
    block: cst.CSTNode | None = None
    for parent in source.parents(statement):
        if isinstance(parent, cst.IndentedBlock):
            block, inside = parent, node
            owner = source.parent(parent)
            if owner is loop.node or isinstance(owner, (cst.If, cst.Else)):
                break
        node = parent
    if not isinstance(block, cst.IndentedBlock):
        raise Refused("The validation is not written as a block of its own.", BY_HAND)
    siblings = list(block.body)
    last = next(at for at, s in enumerate(siblings) if s is inside)
    while last + 1 < len(siblings) and _assigns(siblings[last + 1]):
        last += 1
    training = [
        at
        for at, s in enumerate(siblings)
        if s is loop.inner or any(source.calls("backward", "step", within=s))
    ]
    first = max((at + 1 for at in training if at < last), default=0)
    kept = [s for s in siblings[first : last + 1] if _evaluating(source, s)]
    if not kept or kept[-1] is not siblings[last] or any(at == last for at in training):
        raise Refused("Training and validation are mixed in one block.", BY_HAND)
    return kept


def _assigns(statement: cst.BaseStatement) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and all(
        isinstance(s, cst.Assign) for s in statement.body
    )


def _evaluating(source: Source, statement: cst.BaseStatement) -> bool:
    """Whether it computes the evaluation: no report, no condition."""
    if isinstance(statement, cst.SimpleStatementLine):
        code = source.code(statement)
        return _assigns(statement) or code.endswith(".eval()")
    return isinstance(statement, (cst.With, cst.For))


def _evaluates_later(
    source: Source, loop: Epochs, evaluation: Sequence[cst.BaseStatement], model: str
) -> bool:
    """Whether the model is evaluated behind the loop anyway."""
    end = source.span(loop.node)[1]
    asked = {dotted(c.func) for s in evaluation for c in source.all(cst.Call, s)}
    asked = {name for name in asked if name and "." not in name} | {model}
    local = {f.name.value for f in source.all(cst.FunctionDef)} | {model}
    return any(
        dotted(call.func) in asked & local and source.span(call)[0] > end
        for call in source.all(cst.Call)
    )


def _inner(statement: cst.BaseStatement) -> cst.CSTNode:
    return statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else statement


def _moved(source: Source, statement: cst.BaseStatement) -> str:
    """A statement's text without its indentation."""
    start, end = source.span(statement)
    line = source.text.rfind("\n", 0, start) + 1
    return dedent(source.text[line:start] + source.text[start:end]).strip()
