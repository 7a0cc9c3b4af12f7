"""Where the user's files write an activation: as a module, a function, a method or a word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from penlight.edits.edit import Refused
from penlight.edits.models import weighted
from penlight.edits.scene import Scene
from penlight.edits.source import Source, last_name

MODULES = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softsign": "Softsign",
    "hardtanh": "Hardtanh",
    "hardsigmoid": "Hardsigmoid",
    "logsigmoid": "LogSigmoid",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "softplus": "Softplus",
}
KINDS = {module: kind for kind, module in MODULES.items()}
FLAT = ("sigmoid", "tanh", "softsign", "hardtanh", "hardsigmoid", "logsigmoid")
WORDS = {**{kind: kind for kind in MODULES}, "leakyrelu": "leaky_relu"}
OWNERS = ("torch", "F", "functional", "nn.functional", "torch.nn.functional")
KERAS = ("Dense", "Conv1D", "Conv2D", "Conv3D", "Activation", "SimpleRNN", "SeparableConv2D")


@dataclass(frozen=True)
class Site:
    """One activation as written. `node` is what another one would replace.

    `form` is "module" (`nn.ReLU()`), "class" (`act=nn.ReLU`), "call" (`F.relu(x)`),
    "function" (`act=torch.relu`), "method" (`x.relu()`) or "word" (`activation="relu"`).
    """

    source: Source
    node: cst.BaseExpression
    kind: str
    form: str


def hidden(scene: Scene) -> list[Site]:
    """The activations between layers: not those of the output, of a gate or of the evaluation."""
    return [
        site
        for file in scene.files
        for site in sites(scene.source(file))
        if not (_of_output(scene, site) or _in_gate(site) or _outside_of_model(site))
    ]


def sites(source: Source) -> Iterator[Site]:
    """All activations in a file, in the order of the text."""
    registry = _registry(source)
    for node in source.nodes:
        if isinstance(node, cst.Call):
            yield from _called(source, node)
        elif isinstance(node, (cst.Name, cst.Attribute)):
            yield from _named(source, node, registry)
        elif isinstance(node, cst.SimpleString):
            yield from _worded(source, node, registry)


def _called(source: Source, call: cst.Call) -> Iterator[Site]:
    name, func = last_name(call.func), call.func
    if name in KINDS:
        yield Site(source, call, KINDS[name], "module")
    elif name in MODULES and isinstance(func, cst.Attribute):
        owner = source.code(func.value)
        if owner in OWNERS:
            yield Site(source, call, name, "call")
        elif not call.args and name in ("relu", "sigmoid", "tanh"):
            yield Site(source, call, name, "method")
    elif name in MODULES and call.args and _from_torch(source, name):
        yield Site(source, call, name, "call")


def _named(
    source: Source, node: cst.Name | cst.Attribute, registry: cst.Dict | None
) -> Iterator[Site]:
    parent, name = source.parent(node), last_name(node)
    if not isinstance(parent, (cst.Arg, cst.Param, cst.Assign, cst.AnnAssign, cst.DictElement)):
        return
    if registry is not None and source.inside(node, registry):
        return
    owner = source.parent(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(owner, cst.Call) and last_name(owner.func) in ("isinstance", "issubclass"):
        return
    if isinstance(parent, (cst.Param, cst.AnnAssign)) and _annotates(node, parent):
        return
    if name in KINDS and (isinstance(node, cst.Attribute) or _from_torch(source, name)):
        yield Site(source, node, KINDS[name], "class")
    elif name in MODULES and isinstance(node, cst.Attribute) and source.code(node.value) in OWNERS:
        yield Site(source, node, name, "function")


def _annotates(node: cst.CSTNode, parent: cst.Param | cst.AnnAssign) -> bool:
    return parent.annotation is not None and parent.annotation.annotation is node


def _worded(source: Source, node: cst.SimpleString, registry: cst.Dict | None) -> Iterator[Site]:
    kind = WORDS.get(str(node.evaluated_value).lower())
    if kind is None or (registry is not None and source.inside(node, registry)):
        return
    parent = source.parent(node)
    looked_up = registry is not None
    if isinstance(parent, cst.Arg):
        call = source.parent(parent)
        name = last_name(call.func) if isinstance(call, cst.Call) else ""
        keyword = parent.keyword.value if parent.keyword else ""
        chooses = keyword in ("activation", "act") and name not in ("LSTM", "GRU")
        chooses = chooses or (name == "Activation" and not keyword)
        if keyword == "nonlinearity":
            chooses = name == "RNN"
        elif looked_up:
            chooses = True
    elif isinstance(parent, cst.DictElement):
        chooses = looked_up and parent.value is node
    else:
        chooses = looked_up and isinstance(parent, (cst.Assign, cst.AnnAssign, cst.Param))
    if chooses:
        yield Site(source, node, kind, "word")


def _registry(source: Source) -> cst.Dict | None:
    """A dict that gives activations by name, such as {"relu": nn.ReLU, "tanh": nn.Tanh}."""
    for table in source.all(cst.Dict):
        keys = [
            element.key.evaluated_value
            for element in table.elements
            if isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString)
        ]
        if sum(str(key).lower() in WORDS for key in keys) >= 2:
            return table
    return None


def registered(site: Site, kind: str) -> str | None:
    """The word for a kind of activation where a site's word is looked up; None: there is none."""
    table = _registry(site.source)
    if table is None:
        return kind
    for element in table.elements:
        if isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString):
            key = str(element.key.evaluated_value)
            if WORDS.get(key.lower()) == kind:
                return key
    return None


def _from_torch(source: Source, name: str) -> bool:
    return any(
        item.module is not None
        and source.code(item.module).startswith(("torch", "keras"))
        and not isinstance(item.names, cst.ImportStar)
        and any((a.evaluated_alias or last_name(a.name)) == name for a in item.names)
        for item in source.all(cst.ImportFrom)
    )


# -- which of them are hidden layers' -----------------------------------------------------------


def _of_output(scene: Scene, site: Site) -> bool:
    """Whether it follows the last layer with weights."""
    if site.form == "module":
        return _module_of_output(scene, site)
    if site.form == "word":
        return _word_of_output(site)
    if site.form not in ("call", "method"):
        return False
    source, node = site.source, site.node
    name = (weighted(scene.run) or [""])[-1]
    maker = _class_of(scene, name)
    owner = source.enclosing(node, cst.ClassDef)
    if isinstance(owner, cst.ClassDef) and maker and owner.name.value != maker:
        return False
    last = name.rpartition(".")[2]
    head = operand(site)
    if isinstance(head, cst.Call) and last and last_name(head.func) == last:
        return True
    around = source.enclosing(node, cst.BaseSmallStatement)
    return isinstance(around, cst.Return) and _outermost(source, node, around)


def _class_of(scene: Scene, name: str) -> str:
    """The class that makes a module, as far as the source shows it."""
    for module in scene.run.modules:
        if module.name == name:
            try:
                source, line = scene.place(module.source)
            except Refused:
                return ""
            for owner in source.all(cst.ClassDef):
                first, last = source.lines(owner)
                if first <= line <= last:
                    return owner.name.value
    return ""


def _outermost(source: Source, node: cst.CSTNode, statement: cst.Return) -> bool:
    """Whether a returned value is this call, up to a change of shape."""
    inner: cst.CSTNode = node
    for parent in source.parents(node):
        if parent is statement:
            return True
        shape = isinstance(parent, cst.Call) and last_name(parent.func) in (
            "squeeze", "view", "reshape", "flatten", "unsqueeze",
        )  # fmt: skip
        if not (isinstance(parent, cst.Attribute) or shape):
            return False
        inner = parent
    return inner is statement


def operand(site: Site) -> cst.BaseExpression | None:
    """What a call or a method is applied to."""
    node = site.node
    if not isinstance(node, cst.Call):
        return None
    if site.form == "method" and isinstance(node.func, cst.Attribute):
        return node.func.value
    return node.args[0].value if site.form == "call" and node.args else None


def _module_of_output(scene: Scene, site: Site) -> bool:
    heavy = weighted(scene.run)
    if not heavy:
        return False
    orders = {m.name: m.order for m in scene.run.modules}
    last = max(orders[name] for name in heavy)
    kind = MODULES[site.kind]
    seen = []
    for module in sorted(scene.run.modules, key=lambda m: m.order):
        if module.type != kind:
            continue
        try:
            source, line = scene.place(module.source)
        except Refused:  # built inside of a package
            continue
        first, end = site.source.lines(site.node)
        if source.file == site.source.file and first <= line <= end:
            seen.append(module.order > last)
    same = [
        other
        for other in sites(site.source)
        if other.form == "module"
        and other.kind == site.kind
        and site.source.lines(other.node) == site.source.lines(site.node)
    ]
    if len(same) == len(seen):
        return seen[[other.node for other in same].index(site.node)]
    return bool(seen) and all(seen)


def _word_of_output(site: Site) -> bool:
    """Whether no layer of Keras follows the one that a word belongs to."""
    source = site.source
    layers = [c for c in source.calls(*KERAS) if last_name(c.func) != "Activation"]
    last = max((source.span(layer)[0] for layer in layers), default=-1)
    return 0 <= last < source.span(site.node)[0]


def _in_gate(site: Site) -> bool:
    """Whether its value scales another one, as in an LSTM or an attention gate."""
    source, node = site.source, site.node
    if site.form not in ("call", "method"):
        return False
    parent = source.parent(node)
    if isinstance(parent, cst.BinaryOperation) and isinstance(parent.operator, cst.Multiply):
        return site.kind == "sigmoid"
    if site.kind != "sigmoid":
        return False
    statement = source.enclosing(node, cst.Assign)
    function = source.enclosing(node, cst.FunctionDef)
    if not isinstance(statement, cst.Assign) or function is None:
        return False
    names = {n.value for t in statement.targets for n in source.all(cst.Name, t)}
    factors = [
        last_name(side)
        for product in source.all(cst.BinaryOperation, function)
        if isinstance(product.operator, cst.Multiply)
        for side in (product.left, product.right)
    ]
    return any(name in factors for name in names if name not in ("x", "h", "out"))


def _outside_of_model(site: Site) -> bool:
    """Whether a function is applied by the training or the evaluation, not by the model."""
    if site.form not in ("call", "method"):
        return False
    source = site.source
    function = source.enclosing(site.node, cst.FunctionDef, cst.Lambda)
    if function is None:
        return True
    if source.enclosing(function, cst.ClassDef) is not None:
        return False
    names = ("loss", "acc", "eval", "valid", "test", "train", "predict", "metric", "data")
    return isinstance(function, cst.FunctionDef) and any(
        word in function.name.value.lower() for word in names
    )
