"""shuffle: every epoch sees the training data in a new order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from penlight.edits.data import functions
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import made_of
from penlight.edits.names import fresh, member, sibling
from penlight.edits.scene import Loop, Scene
from penlight.edits.source import Change, Source, argument, last_name
from penlight.edits.training import Training
from penlight.edits.values import add_argument

INSTRUCTION = "Use DataLoader(dataset, batch_size=..., shuffle=True), or a new torch.randperm."


@dataclass(frozen=True)
class Shuffle(Edit):
    """Shuffle the training data: in the DataLoader, or by rows where batches are cut by hand."""

    @property
    def says(self) -> str:
        return "Shuffle the training data in every epoch"

    def source(self, scene: Scene) -> Sequence[Change]:
        keras = _in_fit(scene)
        if keras:
            return keras
        loop = scene.loop
        loaders = list(_loaders(scene, loop))
        if loaders:
            return _shuffled(scene, *loaders[0])
        return _rows(loop)

    def live(self, training: Training) -> None:
        from torch.utils.data import DataLoader, RandomSampler

        loader = training.batches
        if not isinstance(loader, DataLoader) or isinstance(loader.sampler, RandomSampler):
            raise Refused("The batches come from no DataLoader that keeps the order.")
        training.batches = DataLoader(
            loader.dataset,
            batch_size=loader.batch_size,
            shuffle=True,
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            drop_last=loader.drop_last,
        )


def _in_fit(scene: Scene) -> list[Change]:
    """The shuffle argument of Keras' fit()."""
    changes = []
    for file in scene.files:
        source = scene.source(file)
        for call in source.calls("fit"):
            arg = argument(call, "shuffle")
            if arg is not None and source.code(arg.value) == "False":
                changes.append(source.replace(arg.value, "True"))
    return changes


def _loaders(scene: Scene, loop: Loop) -> Iterator[tuple[Source, cst.Call]]:
    """The calls that build the loader of the training loop."""
    body = loop.body
    built = [
        (source, call)
        for source in map(scene.source, scene.files)
        for call in source.calls("DataLoader")
    ]
    if isinstance(body, cst.For):
        for part in made_of(loop.source, body.iter):
            for call in [part, *loop.source.all(cst.Call, part)]:
                if isinstance(call, cst.Call) and last_name(call.func) == "DataLoader":
                    yield loop.source, call
    kept = [(s, c) for s, c in built if not _test(s, c)]
    if len(kept) == 1:
        yield kept[0]


def _test(source: Source, call: cst.Call) -> bool:
    """Whether a loader is made for an evaluation, by its name or that of its data."""
    statement = source.statement(call)
    return any(word in source.code(statement).lower() for word in ("val", "test", "eval")) and (
        "train" not in source.code(statement).lower()
    )


def _shuffled(scene: Scene, source: Source, call: cst.Call) -> Sequence[Change]:
    if argument(call, "batch_sampler") is not None:
        raise Refused("The DataLoader takes its order from a sampler.", "Use a RandomSampler.")
    sampler = argument(call, "sampler")
    if sampler is not None:
        return _sampled(scene, source, sampler.value)
    given = argument(call, "shuffle", 2)
    if given is None:
        return [add_argument(source, call, "shuffle=True")]
    if source.code(given.value) == "True":
        raise Refused("The DataLoader shuffles already.", INSTRUCTION)
    return [source.replace(given.value, "True")]


def _sampled(scene: Scene, source: Source, value: cst.BaseExpression) -> Sequence[Change]:
    """A sampler that keeps the order: torch's own, or one that is told to by an argument."""
    for made in made_of(source, value):
        if not isinstance(made, cst.Call):
            continue
        if last_name(made.func) == "SequentialSampler":
            text, imports = sibling(source, made.func, "RandomSampler")
            return [*imports, source.replace(made.func, text)]
        given = argument(made, "shuffle")
        if given is not None and source.code(given.value) == "False":
            return [source.replace(given.value, "True")]
        if given is None and _may_shuffle(scene, last_name(made.func)):
            return [add_argument(source, made, "shuffle=True")]
    raise Refused("The DataLoader takes its order from a sampler.", "Use a RandomSampler.")


def _may_shuffle(scene: Scene, name: str) -> bool:
    """Whether a class of the script takes an argument `shuffle` that is False if not given."""
    for source, function, _ in functions(scene, name):
        for param in function.params.params if function.name.value == "__init__" else ():
            if param.name.value == "shuffle" and param.default is not None:
                return source.code(param.default) == "False"
    return False


def _rows(loop: Loop) -> list[Change]:
    """`for i in range(0, n, size): x[i:i + size]` takes its rows from a new permutation."""
    source, body = loop.source, loop.body
    if not isinstance(body, cst.For) or not isinstance(body.target, cst.Name):
        raise Refused("How the batches are made is not visible in the training loop.", INSTRUCTION)
    step = body.iter
    if not isinstance(step, cst.Call) or last_name(step.func) != "range" or len(step.args) != 3:
        raise Refused("How the batches are made is not visible in the training loop.", INSTRUCTION)
    count, index = source.code(step.args[1].value), body.target.value
    slices = [
        element
        for element in source.all(cst.Slice, body)
        if element.lower is not None and source.code(element.lower) == index
    ]
    texts = {source.code(s) for s in slices}
    if len(texts) != 1:
        raise Refused("The training loop cuts its batches in more than one way.", INSTRUCTION)
    order = fresh(source, "order", "permutation")
    randperm, imports = member(source, "torch", "randperm")
    text = f"{order}[{texts.pop()}]"
    return [
        *imports,
        source.before(body, f"{order} = {randperm}({count})"),
        *(source.replace(s, text) for s in slices),
    ]
