"""What compile() of a Keras model is given: loss, metrics, optimiser; and the last layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.heads import KERAS
from penlight.edits.imports import imported
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, dotted, last_name
from penlight.edits.values import add_argument

LOSSES = {
    "mse_loss": ("mse", "mean_squared_error"),
    "l1_loss": ("mae", "mean_absolute_error"),
    "binary_cross_entropy": ("binary_crossentropy",),
    "cross_entropy": ("sparse_categorical_crossentropy", "categorical_crossentropy"),
}
ENDS = {"binary_cross_entropy": "sigmoid", "cross_entropy": "softmax"}
CLASSES = {
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
}
COUNTING = ("accuracy", "acc", "binary_accuracy", "categorical_accuracy",
            "sparse_categorical_accuracy")  # fmt: skip
LINEAR = ("linear", "None", "")


@dataclass(frozen=True)
class Compiled:
    """A Keras model's compile().

    Args:
        call: `model.compile(...)`.
        loss: what it is given as the loss.
        head: `Dense(1, activation="sigmoid")`, or the `Activation("sigmoid")` behind it.
    """

    source: Source
    call: cst.Call
    loss: cst.BaseExpression
    head: cst.Call

    @property
    def loss_name(self) -> str:
        """The loss in Keras' words, such as "mse"; a class in snake case."""
        node = self.loss.func if isinstance(self.loss, cst.Call) else self.loss
        if isinstance(node, cst.SimpleString):
            return str(node.evaluated_value).lower()
        name = last_name(node)
        return {v: k for k, v in CLASSES.items()}.get(name, name)

    @property
    def end(self) -> cst.Arg | None:
        """The argument that names the last activation."""
        return argument(self.head, "activation", 0 if self.by_layer else 1)

    @property
    def activation(self) -> str:
        """The last activation's name; '' for none."""
        if self.end is None:
            return ""
        node = self.end.value
        return str(node.evaluated_value) if isinstance(node, cst.SimpleString) else last_name(node)

    @property
    def by_layer(self) -> bool:
        """Whether the last activation is a layer of its own."""
        return last_name(self.head.func) == "Activation"

    def ended(self, activation: str) -> Change | None:
        """The change that ends the model in an activation; None where it does already."""
        if self.activation == activation or {self.activation, activation} <= set(LINEAR):
            return None
        if self.end is not None:
            return self.source.replace(self.end.value, f'"{activation}"')
        return add_argument(self.source, self.head, f'activation="{activation}"')

    def with_loss(self, function: str, onehot: bool) -> Iterator[Change]:
        """The changes that make it train with a loss: with its activation, and a metric that
        fits.

        Args:
            function: its name in torch.nn.functional.
            onehot: whether the targets are columns of 0 and 1, one for each class.

        Raises:
            Refused: Keras has no such loss, or the model trains with it already.
        """
        if function == "binary_cross_entropy_with_logits":
            function = "binary_cross_entropy"  # behind a sigmoid, which the metrics read
        if function not in LOSSES:
            raise Refused(f"Keras has no loss that is {function}.")
        names = LOSSES[function]
        name = names[1] if onehot and function == "cross_entropy" else names[0]
        if self.loss_name in CLASSES and function == "cross_entropy":
            name = self.loss_name  # the targets have its form
        logits = function == "cross_entropy" and self.activation in LINEAR
        known = names if function != "cross_entropy" else (name,)
        same = self.loss_name in known and ("from_logits" in self.source.code(self.loss)) == logits
        wanted = ENDS.get(function, "")
        end = None if logits else self.ended(wanted) if wanted else self._unbounded()
        if same and end is None:
            raise Refused(f"The model is compiled with {self.loss_name} already.")
        if end is not None:
            yield end
        if logits:
            keras, imports = imported(self.source, "keras.losses")
            yield from imports
            text = f"{keras}.{CLASSES[name]}(from_logits=True)"
            yield self.source.replace(self.loss, text)
        elif not same:
            yield self.source.replace(self.loss, f'"{name}"')
        yield from self._metrics("accuracy" if wanted else "mae")

    def _unbounded(self) -> Change | None:
        return self.ended("linear") if self.activation in ("sigmoid", "softmax") else None

    def _metrics(self, fitting: str) -> Iterator[Change]:
        given = argument(self.call, "metrics")
        if given is None:
            return
        for text in [given.value, *self.source.all(cst.SimpleString, given.value)]:
            if isinstance(text, cst.SimpleString):
                word = str(text.evaluated_value)
                right = ("accuracy", "acc") if fitting == "accuracy" else ()
                if word in COUNTING and word not in right:
                    yield self.source.replace(text, f'"{fitting}"')


def compiled(scene: Scene) -> Compiled | None:
    """The one compile() of a Keras model in the user's files; None where there is none.

    Raises:
        Refused: there are several, or no last layer is visible.
    """
    found = []
    for source, call, owner in _compiles(scene):
        loss = argument(call, "loss", 1)
        if owner and loss is not None:
            found.append((source, call, loss.value))
    if not found:
        return None
    if len(found) > 1:
        raise Refused("The source compiles more than one Keras model.")
    source, call, given = found[0]
    heads = [c for s in map(scene.source, scene.files) for c in s.calls(*KERAS) if s is source]
    if not heads:
        raise Refused(f"{source.file} shows no last layer of the Keras model.")
    return Compiled(source, call, given, heads[-1])


def _compiles(scene: Scene) -> Iterator[tuple[Source, cst.Call, str]]:
    """All calls of a compile() that is not torch's or re's, and what they are called on."""
    for source in map(scene.source, scene.files):
        for call in source.calls("compile"):
            owner = dotted(call.func.value) if isinstance(call.func, cst.Attribute) else "torch"
            if owner not in ("torch", "re"):
                yield source, call, owner


def optimizer_by_name(scene: Scene, settings: str, kind: str = "") -> Sequence[Change] | None:
    """Changes that build the optimiser which compile() gets by its name, as "sgd", or by default.

    None where the source builds one already.

    Args:
        scene: the files and their run.
        settings: its arguments as text: "learning_rate=0.01".
        kind: the class in keras.optimizers: "Adam"; that of the run unless given.
    """
    kinds = {o.type for o in scene.run.optimizers}
    if len(kinds) != 1 or any(o.source for o in scene.run.optimizers):
        return None
    kind = kind or kinds.pop()
    found = list(_compiles(scene))
    if len(found) != 1:
        return None
    source, call, _ = found[0]
    given = argument(call, "optimizer", 0)
    module, imports = imported(source, "keras.optimizers")
    text = f"{module}.{kind}({settings})"
    if given is None:
        return [*imports, add_argument(source, call, f"optimizer={text}")]
    if isinstance(given.value, cst.SimpleString):
        return [*imports, source.replace(given.value, text)]
    return None
