"""What an edit looks at: the user's files, and what was seen while they ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

import libcst as cst

from penlight.core.facts import Optimizer
from penlight.core.run import Run
from penlight.edits.edit import Edit, Refused
from penlight.edits.source import Change, Project, Source, dotted, shifted

OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop")  # what an edit before may have made of it


@dataclass(frozen=True)
class Loop:
    """The training loop: where gradients are made and used.

    `step` is the call that moves the weights, `optimizer` the expression that names the
    optimiser there ("self.optimizer"), and `body` the innermost loop (or function) around them.
    """

    source: Source
    backward: cst.Call
    step: cst.Call
    optimizer: str
    body: cst.For | cst.While | cst.FunctionDef | cst.Module

    @property
    def loss(self) -> cst.BaseExpression:
        """What `backward()` is called on."""
        assert isinstance(self.backward.func, cst.Attribute)
        return self.backward.func.value

    @property
    def conditions(self) -> Iterator[cst.If]:
        """The conditions that a step stands under, innermost first."""
        for parent in self.source.parents(self.step):
            if parent is self.body:
                return
            if isinstance(parent, cst.If):
                yield parent


@dataclass(frozen=True)
class Scene:
    """A project and a run of it. Places that the run names stay right while edits are made.

    Args:
        project: the files as edited so far.
        run: what was seen when the unedited files ran.
        argv: the script's own arguments.
        history: the edits' changes, in the order they were made.
    """

    project: Project
    run: Run
    argv: tuple[str, ...] = ()
    history: tuple[tuple[Change, ...], ...] = ()
    _parsed: dict[str, Source] = field(default_factory=dict, repr=False, compare=False)

    def source(self, file: str) -> Source:
        """A file, parsed.

        Raises:
            Refused: it cannot be read or parsed.
        """
        if file not in self._parsed:
            self._parsed[file] = Source(file, self.project.text(file))
        return self._parsed[file]

    @property
    def script(self) -> Source:
        return self.source(self.project.script)

    def edited(self, changes: Iterable[Change]) -> Scene:
        """The scene after some changes.

        Raises:
            Refused: they overlap or break the file.
        """
        made = tuple(changes)
        touched = {change.file for change in made}
        kept = {file: source for file, source in self._parsed.items() if file not in touched}
        project = self.project.edited(made)
        return replace(self, project=project, history=(*self.history, made), _parsed=kept)

    def after(self, edits: Iterable[Edit]) -> Scene:
        """The scene after some edits, one by one.

        Raises:
            Refused: one of them cannot be made.
        """
        scene = self
        for edit in edits:
            scene = scene.edited(edit.source(scene))
        return scene

    # -- places that the run names --------------------------------------------------------

    def place(self, where: str) -> tuple[Source, int]:
        """The file and today's line of a place such as "train.py:31" that the run names.

        Raises:
            Refused: it names no line of the project.
        """
        name, _, line = where.rpartition("@")[2].rpartition(":")
        if not line.isdigit():
            raise Refused(f"Where {where or 'it'} lies in the source is not known.")
        file = self.project.find(PurePosixPath(name).name)
        before = Source(file, self.project.original(file)) if self.history else self.source(file)
        offset = before.offset(int(line))
        for changes in self.history:
            offset = shifted(offset, [c for c in changes if c.file == file])
        now = self.source(file)
        return now, now.line(offset)

    def calls_at(self, where: str, *names: str) -> tuple[Source, list[cst.Call]]:
        """The calls of these functions on the line of a place, or around it.

        Raises:
            Refused: there is none.
        """
        source, line = self.place(where)
        found = [
            call
            for call in source.calls(*names)
            if source.lines(call)[0] <= line <= source.lines(call)[1]
        ]
        if not found:
            raise Refused(f"{source.file}:{line} calls no {' or '.join(names)} by that name.")
        return source, found

    def optimizer(self) -> tuple[Source, cst.Call, Optimizer]:
        """The call that makes the run's optimiser, and what was seen of it.

        Raises:
            Refused: it is made somewhere else, or there are several.
        """
        places = {o.source for o in self.run.optimizers}
        if len(places) != 1:
            count = "no optimiser" if not places else f"{len(places)} optimisers"
            raise Refused(f"The run has {count}, so which one to change is not clear.")
        return self.optimizers()[0]

    def optimizers(self) -> list[tuple[Source, cst.Call, Optimizer]]:
        """The calls that make the run's optimisers, one for each place, and what was seen of them.

        Raises:
            Refused: one of them is made somewhere else.
        """
        return [self._made(o) for o in {o.source: o for o in self.run.optimizers}.values()]

    def _made(self, optimizer: Optimizer) -> tuple[Source, cst.Call, Optimizer]:
        if optimizer.own:
            raise Refused("The script moves its weights itself, without an optimiser.")
        if not optimizer.source:  # Keras makes its own from what compile() is given
            texts = map(self.source, self.files)
            made = [(s, c) for s in texts for c in s.calls(optimizer.type, *OPTIMIZERS)]
            if len(made) != 1:
                raise Refused(
                    "The optimiser is not made in the source.",
                    f"Pass keras.optimizers.{optimizer.type}(learning_rate=...) to compile().",
                )
            return (*made[0], optimizer)
        source, calls = self.calls_at(optimizer.source, optimizer.type, *OPTIMIZERS)
        return source, calls[0], optimizer

    # -- what the text shows --------------------------------------------------------------

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The script, and every file that the run names, in that order."""
        places = [
            *(m.source for m in self.run.modules),
            *(o.source for o in self.run.optimizers),
            *(o.source for o in self.run.objectives),
        ]
        found = {self.project.script: None}
        for place in places:
            name = place.rpartition(":")[0]
            try:
                found[self.project.find(name)] = None
            except Refused:
                continue  # an installed package's, say
        return tuple(found)

    @cached_property
    def loop(self) -> Loop:
        """The main training loop.

        Raises:
            Refused: none is written out (a framework has it), or there are several.
        """
        found = self.loops
        if len(found) > 1 and (objective := self.run.objective) is not None:
            try:
                source, line = self.place(objective.source)
            except Refused:
                source, line = self.script, 0
            near = [loop for loop in found if loop.source is source and _around(loop, line)]
            found = self._branch(near or found)
        if len(found) != 1:
            count = "no training loop" if not found else f"{len(found)} training loops"
            raise Refused(f"The source shows {count} with a backward() and a step().")
        return found[0]

    @property
    def loops(self) -> list[Loop]:
        """Every training loop that is written out."""
        return [loop for file in self.files for loop in _loops(self.source(file))]

    def _branch(self, found: list[Loop]) -> list[Loop]:
        """Of `if amp: ... else: ...` in one loop, each with a step, the side that seems to run."""
        if len(found) != 2 or found[0].body is not found[1].body:
            return found
        scaled = [bool(loop.step.args) for loop in found]
        if sum(scaled) != 1 or not _apart(*found):
            return found
        return [found[scaled.index(self.run.hygiene.clip_scaled > 0)]]


def _apart(one: Loop, other: Loop) -> bool:
    """Whether two steps stand on the two sides of one condition."""
    sides = [
        {id(p): p for p in loop.source.parents(loop.step) if isinstance(p, (cst.If, cst.Else))}
        for loop in (one, other)
    ]
    return any(
        isinstance(side, cst.If) and side.orelse is not None and id(side.orelse) in sides[1]
        for side in sides[0].values()
    )


def _around(loop: Loop, line: int) -> bool:
    if isinstance(loop.body, cst.Module):
        return True
    first, last = loop.source.lines(loop.body)
    return first <= line <= last


def _loops(source: Source) -> Iterator[Loop]:
    """Innermost loops (else functions) that hold both a backward and a step."""
    steps = [c for c in source.calls("step") if isinstance(c.func, cst.Attribute)]
    for backward in source.calls("backward"):
        around = [
            node
            for node in source.parents(backward)
            if isinstance(node, (cst.For, cst.While, cst.FunctionDef, cst.Module))
        ]
        side = side_of(source, backward)
        beside = [s for s in steps if side is not None and source.inside(s, side)]
        for body in around:
            inside = [s for s in steps if source.inside(s, body)]
            chosen = _mover(source, [s for s in beside if s in inside] or inside)
            if chosen is not None:
                step, optimizer = chosen
                yield Loop(source, backward, step, optimizer, body)
                break


def side_of(source: Source, node: cst.CSTNode) -> cst.CSTNode | None:
    """The side of a condition that a node stands on, if one is nearer than its loop or function."""
    around = source.enclosing(node, cst.If, cst.Else, cst.For, cst.While, cst.FunctionDef)
    return around.body if isinstance(around, (cst.If, cst.Else)) else None


def _mover(source: Source, steps: Sequence[cst.Call]) -> tuple[cst.Call, str] | None:
    """The optimiser's step among the step() calls: not a scheduler's."""
    for step in steps:
        assert isinstance(step.func, cst.Attribute)
        owner = dotted(step.func.value)
        short = owner.rpartition(".")[2].lower()
        if "sched" in short or short.startswith(("lr", "warmup")):
            continue
        if "scaler" in short and step.args:
            return step, source.code(step.args[0].value)
        if owner:
            return step, owner
    return None
