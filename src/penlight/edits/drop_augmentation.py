"""drop-augmentation: training rows as they are, without the changes that chance makes to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import libcst as cst

from penlight.core.finding import Finding
from penlight.edits.data import functions, in_training, model_calls
from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import drop_entry, last_value, made_of, unwrap
from penlight.edits.models import is_module
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, dotted, last_name

DRAWS = {
    "rand", "randn", "rand_like", "randn_like", "randint", "randint_like", "random", "uniform",
    "normal", "uniform_", "normal_", "bernoulli", "bernoulli_", "gauss", "choice", "randrange",
    "standard_normal", "integers", "random_sample", "binomial",
}  # fmt: skip
# Attributes of a data set that hold a change of its rows, and the library's own random changes.
HELD = {
    "self.transform", "self.transforms", "self.augment", "self.augmentation", "self.augmentations",
    "self.aug",
}  # fmt: skip
NAMED = (
    "Random", "ColorJitter", "Gauss", "HorizontalFlip", "VerticalFlip", "Cutout", "AutoAugment",
    "TrivialAugment", "AugMix", "ElasticTransform", "Rotate", "CoarseDropout",
)  # fmt: skip
MOST = 4  # places that are tried one by one
BY_HAND = "Train on the rows as they are, without the random changes that are made to them."


@dataclass(frozen=True)
class DropAugmentation(Edit):
    """Take out the random changes of the training inputs: all of them (0), or the nth one."""

    place: int = 0

    @classmethod
    def propose(cls, scene: Scene, finding: Finding) -> Iterator[Edit]:  # noqa: ARG003  # places decide
        count = len(list(_places(scene)))
        yield cls()
        if count > 1:
            yield from (cls(n) for n in range(1, min(count, MOST) + 1))

    @property
    def says(self) -> str:
        if not self.place:
            return "Train without the random changes of the inputs"
        return f"Train without random change {self.place} of the inputs"

    def source(self, scene: Scene) -> Sequence[Change]:
        found = list(_places(scene))
        if self.place:
            found = found[self.place - 1 : self.place]
        if not found:
            raise Refused("No random change of the training inputs is visible.", BY_HAND)
        return found


def _places(scene: Scene) -> Iterator[Change]:
    """The random changes of what the model is trained on, each as the change that takes it out."""
    taken: list[Change] = []
    for change in _all(scene):
        if not any(_overlap(change, t) for t in taken):
            taken.append(change)
            yield change


def _overlap(one: Change, other: Change) -> bool:
    return one.file == other.file and one.start < other.end and other.start < one.end


def _all(scene: Scene) -> Iterator[Change]:
    for source, call in model_calls(scene):
        if not in_training(scene, source, call):
            continue
        fed = call.args[0].value
        yield from _calls(scene, source, fed)
        names = {n.value for value in made_of(source, fed) for n in source.all(cst.Name, value)}
        around = source.enclosing(call, cst.For, cst.While, cst.FunctionDef, cst.Module)
        if around is not None:
            names |= {fed.value} if isinstance(fed, cst.Name) else set()
            yield from _steps(scene, source, around, names)
    for file in scene.files:
        source = scene.source(file)
        for function in source.all(cst.FunctionDef):
            if function.name.value == "__getitem__":
                given = list(_given(source, function))
                names = {n.value for value in given for n in _first_names(source, value)}
                yield from _steps(scene, source, function, names)
                for value in given:
                    yield from _calls(scene, source, value)
        for compose in source.calls("Compose", "Sequential"):
            if compose.args and isinstance(compose.args[0].value, cst.List):
                yield from _entries(source, compose.args[0].value)


def _entries(source: Source, row: cst.List) -> Iterator[Change]:
    """A library's random changes in a list of them."""
    random = [
        e
        for e in row.elements
        if isinstance(e.value, cst.Call) and last_name(e.value.func).startswith(NAMED)
    ]
    drops = [drop_entry(source, e) for e in random]
    if any(_overlap(a, b) for a, b in pairwise(drops)):  # side by side on one line
        kept = ", ".join(source.code(e.value) for e in row.elements if e not in random)
        drops = [source.replace(row, f"[{kept}]")]
    yield from drops


def _calls(scene: Scene, source: Source, value: cst.BaseExpression) -> Iterator[Change]:
    """Random changes that are calls inside an expression, or are it."""
    own = [value] if isinstance(value, cst.Call) else []
    for call in (*own, *source.all(cst.Call, value)):
        if _draws_inside(scene, call):
            yield unwrap(source, call, call.args[0].value)


def _given(source: Source, function: cst.FunctionDef) -> Iterator[cst.BaseExpression]:
    """What a data set gives first: the inputs."""
    for node in source.all(cst.Return, function):
        value = node.value
        if isinstance(value, cst.Tuple) and value.elements:
            value = value.elements[0].value
        if value is not None:
            yield value


def _first_names(source: Source, value: cst.BaseExpression) -> list[cst.Name]:
    return [value] if isinstance(value, cst.Name) else list(source.all(cst.Name, value))[:1]


def _steps(scene: Scene, source: Source, body: cst.CSTNode, names: set[str]) -> Iterator[Change]:
    """Statements that change one of some names by chance, outermost first."""
    nodes = [n for n in source.nodes if source.inside(n, body)]
    taken: list[cst.CSTNode] = []
    for node in nodes:
        if any(source.inside(node, t) for t in taken):
            continue
        if isinstance(node, cst.If) and node.orelse is None:
            changed = any(_changes(n, names) for n in nodes if source.inside(n, node))
            if changed and _random(source, node.test, body, names):
                taken.append(node)
                yield source.drop(node)
        elif isinstance(node, (cst.Assign, cst.AugAssign)) and _changes(node, names):
            if isinstance(node.value, cst.Call) and _draws_inside(scene, node.value):
                yield unwrap(source, node.value, node.value.args[0].value)
            elif _random(source, node, body, names):
                yield source.drop(node)


def _changes(node: cst.CSTNode, names: set[str]) -> bool:
    """Whether a statement makes a name anew out of itself: x += ..., x[...] = ..., x = f(x)."""
    if isinstance(node, cst.AugAssign):
        return _base(node.target) in names
    if not isinstance(node, cst.Assign) or len(node.targets) != 1:
        return False
    target = node.targets[0].target
    base = _base(target)
    return base in names and (isinstance(target, cst.Subscript) or _reads(node.value, base))


def _base(node: cst.BaseExpression) -> str:
    while isinstance(node, cst.Subscript):
        node = node.value
    return node.value if isinstance(node, cst.Name) else ""


def _reads(node: cst.CSTNode, name: str) -> bool:
    if isinstance(node, cst.Name):
        return node.value == name
    return any(_reads(child, name) for child in node.children)


def _random(
    source: Source, node: cst.CSTNode, body: cst.CSTNode, names: set[str], depth: int = 4
) -> bool:
    """Whether chance has a part in a statement or an expression, also by what is drawn in the
    body for it; the inputs themselves may well have been drawn once.
    """
    own = [node] if isinstance(node, cst.Call) else []
    if any(last_name(c.func) in DRAWS for c in (*own, *source.all(cst.Call, node))):
        return True
    read = [node] if isinstance(node, cst.Name) else list(source.all(cst.Name, node))
    values = [last_value(source, n) for n in read if n.value not in names and depth]
    return any(
        source.inside(v, body) and _random(source, v, body, names, depth - 1)
        for v in values
        if v is not None
    )


def _draws_inside(scene: Scene, call: cst.Call) -> bool:
    """Whether a call of one of the project's own functions on its inputs draws something."""
    if not call.args or call.args[0].keyword is not None:
        return False
    if dotted(call.func) in HELD:
        return True
    for other, function, _ in functions(scene, last_name(call.func)):
        owner = other.enclosing(function, cst.ClassDef)
        if isinstance(owner, cst.ClassDef) and is_module(owner):
            continue
        if function.name.value in ("forward", "__init__"):
            continue
        if any(last_name(c.func) in DRAWS for c in other.all(cst.Call, function)):
            return True
    return False
