"""batch-first: recurrent and attention layers that run along the time, not along the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.bindings import bindings
from penlight.edits.edit import Edit, Refused
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument
from penlight.edits.training import Training
from penlight.edits.values import add_argument

RECURRENT = ("RNN", "LSTM", "GRU")
STATES = ("zeros", "randn", "rand", "ones", "new_zeros")  # what makes a first state
ATTENTION = ("MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer")


@dataclass(frozen=True)
class BatchFirst(Edit):
    """Tell recurrent and attention layers that dimension 0 of their input is the batch.

    First states are made for as many samples then.
    """

    certain = True
    new_rate = True

    @property
    def says(self) -> str:
        return "Tell the recurrent and attention layers that the batch comes first"

    def source(self, scene: Scene) -> Sequence[Change]:
        objective = scene.run.objective
        samples = objective.target_shape[:1] if objective is not None else ()
        if not samples or not any(i.shape[:1] == samples for i in scene.run.inputs):
            raise Refused("Nothing shows that the model is fed the batch first.")
        timed = [
            m.source
            for m in scene.run.modules
            if m.type in RECURRENT and m.output_shape and m.output_shape[:1] != samples
        ]
        if timed:
            raise Refused(f"The layer of {timed[0]} is fed the time first.")
        changes: list[Change] = []
        sources = [scene.source(file) for file in scene.files]
        own = {owner.name.value for source in sources for owner in source.all(cst.ClassDef)}
        for source in sources:
            for call in source.calls(*RECURRENT, *ATTENTION):
                if source.code(call.func) in own:
                    continue  # a model that is called RNN
                given = argument(call, "batch_first")
                if given is None:
                    changes.append(add_argument(source, call, "batch_first=True"))
                elif source.code(given.value) == "False":
                    changes.append(source.replace(given.value, "True"))
            changes += _first_states(scene, source) if changes else ()
        if not changes:
            raise Refused(
                "The source builds no recurrent or attention layer that takes the time first.",
                "Look for operations over dimension 0: that is the batch.",
            )
        return list(dict.fromkeys(changes))

    def live(self, training: Training) -> None:
        from torch import nn

        found = [
            m
            for m in training.model.modules()
            if isinstance(m, (nn.RNNBase, nn.MultiheadAttention)) and not m.batch_first
        ]
        if not found:
            raise Refused("The model holds no recurrent or attention layer with the time first.")
        for module in found:
            module.batch_first = True


def _first_states(scene: Scene, source: Source) -> Iterator[Change]:
    """First states of recurrent layers, made where these are called."""
    layers = {m.name.rpartition(".")[2] for m in scene.run.modules if m.type in RECURRENT}
    for function in source.all(cst.FunctionDef):
        for call in source.calls(*layers, within=function):
            if call.args and source.enclosing(call, cst.FunctionDef) is function:
                yield from _states(source, function, source.code(call.args[0].value))


def _states(source: Source, function: cst.FunctionDef, fed: str) -> Iterator[Change]:
    """`torch.zeros(1, x.size(1), 32)`, also where the size has a name."""
    sizes = {f"{fed}.size(1)": f"{fed}.size(0)", f"{fed}.shape[1]": f"{fed}.shape[0]"}
    given = [arg.value for call in source.calls(*STATES, within=function) for arg in call.args]
    names = [value.value for value in given if isinstance(value, cst.Name)]
    given += [b.value for n in names for b in bindings(source, n, function) if b.value is not None]
    for size in given:
        text = source.code(size)
        if text in sizes:
            yield source.replace(size, sizes[text])
