"""standardise-inputs: mean 0 and standard deviation 1, by the training data's statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import libcst as cst

from penlight.core.facts import Inputs
from penlight.edits.data import Feed, derived, feeds, in_training, model_calls
from penlight.edits.edit import Edit, Refused
from penlight.edits.names import pair
from penlight.edits.places import before_use
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument
from penlight.edits.training import Training

PIXEL = 255.0
KERAS = ("fit", "evaluate", "predict", "predict_on_batch")


@dataclass(frozen=True)
class StandardiseInputs(Edit):
    """Subtract the training data's mean from all inputs and divide by their standard deviation.

    Bytes of images are divided by 255 instead.
    """

    new_rate = True

    @property
    def says(self) -> str:
        return "Standardise the inputs by the training data's mean and standard deviation"

    def source(self, scene: Scene) -> Sequence[Change]:
        seen = max(scene.run.inputs, key=lambda i: i.samples, default=None)
        if seen is not None and seen.embedded:
            raise Refused("The inputs are ids, which have no scale.")
        found = list(fed(scene))
        trains = {feed.name: feed for train, feed in found if train}
        if len(trains) != 1:
            raise Refused(
                f"The model is trained on {' and '.join(trains) or 'data that are not visible'}.",
                "Subtract the training part's mean from all inputs and divide by its standard "
                "deviation, before they enter the model.",
            )
        train = next(iter(trains.values()))
        others = [feed for is_train, feed in found if not is_train]
        if train.changing and any(f.name == train.name and f.rows != f.name for f in others):
            raise Refused(
                f"Which rows of {train.name} are training data is chosen in the loop.",
                f"Take mean and standard deviation over the training rows of {train.name}.",
            )
        found = [(is_train, feed) for is_train, feed in found if not derived(feed, train)]
        names = list(dict.fromkeys([train.name, *(feed.name for _, feed in found)]))
        source = train.source
        if seen is not None and _bytes(seen):
            code = _together(names, [f"{name} / 255" for name in names])
        else:
            code = self._statistics(source, train, names, seen)
        used = [feed for _, feed in found]
        return (before_use(source, used, code),)

    def _statistics(
        self, source: Source, train: Feed, names: Sequence[str], seen: Inputs | None
    ) -> str:
        mean, std = pair(source, ("mean", "std"), ("x_mean", "x_std"))
        rows = f"{train.rows}.float()" if train.cast else train.rows
        over = _over(train, seen)
        constant = seen is not None and (seen.constant_features > 0 or seen.features > 100)
        floor = " + 1e-8" if constant and over else ""
        first = f"{mean}, {std} = {rows}.mean({over}), {rows}.std({over}){floor}"
        return f"{first}\n" + _together(names, [f"({name} - {mean}) / {std}" for name in names])

    def live(self, training: Training) -> None:
        import torch

        inputs = torch.cat([batch[0] for batch in training.batches])
        if not inputs.is_floating_point():
            raise Refused("The inputs are ids, which have no scale.")
        over = 0 if inputs.dim() == 2 else tuple(range(inputs.dim()))
        mean, std = inputs.mean(over), inputs.std(over).clamp_min(1e-8)
        training.batches = _Scaled(training.batches, mean, std)
        if training.validation is not None:
            training.validation = _Scaled(training.validation, mean, std)


class _Scaled:
    """Batches whose inputs are standardised as they pass."""

    def __init__(self, batches: Any, mean: Any, std: Any) -> None:
        self.batches, self.mean, self.std = batches, mean, std

    def __iter__(self) -> Iterator[Any]:
        for inputs, *rest in self.batches:
            yield ((inputs - self.mean) / self.std, *rest)

    def __len__(self) -> int:
        return len(self.batches)


def fed(scene: Scene) -> Iterator[tuple[bool, Feed]]:
    """What enters the model, and whether it does so in training."""
    try:
        calls = model_calls(scene)
        scene.loop  # noqa: B018  # Refused where a framework has it
    except Refused:
        yield from _keras(scene)
        return
    for source, call in calls:
        train = in_training(scene, source, call)
        for feed in feeds(scene, source, call.args[0].value):
            yield train, feed


def _keras(scene: Scene) -> Iterator[tuple[bool, Feed]]:
    source = scene.script
    for call in source.calls(*KERAS):
        if not isinstance(call.func, cst.Attribute) or not any(source.calls("compile")):
            continue
        train = call.func.attr.value == "fit"
        given = argument(call, "x", 0)
        held = argument(call, "validation_data")
        if given is not None:
            for feed in feeds(scene, source, given.value):
                yield train, feed
        if held is not None and isinstance(held.value, cst.Tuple):
            for feed in feeds(scene, source, held.value.elements[0].value):
                yield False, feed


def _bytes(seen: Inputs) -> bool:
    image = len(seen.shape) == 4 or (seen.features >= 64 and seen.std_ratio is None)
    return image and seen.integral and seen.min >= 0 and 16 < seen.max <= PIXEL


def _over(train: Feed, seen: Inputs | None) -> str:
    """The dimensions of the statistics: features keep their own, images share one."""
    if seen is None or (len(seen.shape) == 2 and seen.shape[-1] > 1):
        return "0"
    if len(seen.shape) == 3 and seen.features > 1 and not train.shaped:
        return "(0, 1)"
    return ""


def _together(names: Sequence[str], values: Sequence[str]) -> str:
    """An assignment of all names, on one line where it fits."""
    line = f"{', '.join(names)} = {', '.join(values)}"
    if len(line) <= 92:
        return line
    return "\n".join(f"{n} = {v}" for n, v in zip(names, values, strict=True))
