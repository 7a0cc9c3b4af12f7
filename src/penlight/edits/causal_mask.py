"""causal-mask: attention that sees no position to come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import libcst as cst

from penlight.edits.edit import Edit, Refused
from penlight.edits.flow import assigned_to, calls_in, last_value, made_of, put, uses, whole
from penlight.edits.losses import definitions
from penlight.edits.names import member
from penlight.edits.scene import Scene
from penlight.edits.source import Change, Source, argument, dotted, last_name
from penlight.edits.values import add_argument

FUSED = "scaled_dot_product_attention"
# what the mask is called in their forward
LAYERS = {"MultiheadAttention": "attn_mask", "TransformerEncoderLayer": "src_mask",
          "TransformerEncoder": "mask"}  # fmt: skip
DECODERS = {"TransformerDecoderLayer": "tgt_mask", "TransformerDecoder": "tgt_mask"}
POSITIONS = {"attn_mask": 5, "src_mask": 1, "mask": 1, "tgt_mask": 2}
# The stack around it takes the mask.
INNER = ("TransformerEncoderLayer", "TransformerDecoderLayer")
NEGATED = ("~", "logical_not", "== 0", "==0", "1 -", "not_")
MASKING = ("mask", "tril", "triu", "inf")


@dataclass(frozen=True)
class CausalMask(Edit):
    """Hide from each position those that come after it."""

    certain = True
    new_rate = True

    @property
    def says(self) -> str:
        return "Hide from each position those that come after it"

    def source(self, scene: Scene) -> Sequence[Change]:
        sources = [scene.source(file) for file in scene.files]
        ignored = partial(_ignored, scene)
        for find in (_dropped, ignored, _fused, _inverted, _diagonals, _axis, _layers, _by_hand):
            changes = [c for source in sources for c in find(source)]
            if changes:
                return list(dict.fromkeys(changes))
        raise Refused(
            "The source shows no attention without a mask.",
            "Mask the scores with torch.triu(torch.ones(T, T, dtype=torch.bool), diagonal=1).",
        )


def _dropped(source: Source) -> Iterator[Change]:
    """Scores that are masked, and the masked ones not kept."""
    for call in source.calls("masked_fill"):
        if isinstance(source.parent(call), cst.Expr) and isinstance(call.func, cst.Attribute):
            scores = source.code(call.func.value)
            yield source.insert(source.span(call)[0], f"{scores} = ")


def _ignored(scene: Scene, source: Source) -> Iterator[Change]:
    """A mask that a function is given, and not handed on: `attention(x, mask=None)`."""
    for function in source.all(cst.FunctionDef):
        names = [p.name.value for p in function.params.params if "mask" in p.name.value]
        used = {n.value for n in source.all(cst.Name, function.body)}
        if len(names) != 1 or names[0] in used:
            continue
        for call in source.all(cst.Call, function.body):
            for arg in call.args:
                masks = arg.keyword is not None and "mask" in arg.keyword.value
                if masks and source.code(arg.value) == "None":
                    yield source.replace(arg.value, names[0])
            asked = _mask_parameter(scene, source, call)
            if asked and not any(a.keyword and "mask" in a.keyword.value for a in call.args):
                yield add_argument(source, call, f"{asked}={names[0]}")


def _mask_parameter(scene: Scene, source: Source, call: cst.Call) -> str:
    """The mask that a layer of the user's own may be given, and is not at this call."""
    for _, forward in definitions(scene, source, call):
        if forward.name.value == "forward":
            params = [p.name.value for p in forward.params.params[1:]]
            return next((p for p in params[len(call.args) :] if "mask" in p), "")
    return ""


def _fused(source: Source) -> Iterator[Change]:
    """torch's own attention function."""
    for call in source.calls(FUSED):
        mask, causal = argument(call, "attn_mask", 3), argument(call, "is_causal", 5)
        if mask is not None and source.code(mask.value) != "None":
            continue
        if causal is None:
            yield add_argument(source, call, "is_causal=True")
        elif source.code(causal.value) != "True":
            yield source.replace(causal.value, "True")


def _inverted(source: Source) -> Iterator[Change]:
    """A triangle of the future, where torch's function asks for what may be seen."""
    for call in source.calls(FUSED):
        mask = argument(call, "attn_mask", 3)
        if mask is None:
            continue
        text = " ".join(source.code(node) for node in _mask_of(source, mask.value))
        future = "triu(" in text and "bool" in text and "inf" not in text
        if future and not any(word in text for word in NEGATED):
            yield put(source, mask.value, f"~{whole(source, mask.value)}")


def _mask_of(source: Source, value: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """A mask, what it is made of, and what its class keeps it in: `self.mask`."""
    for node in made_of(source, value):
        yield node
        for attribute in [node, *source.all(cst.Attribute, node)]:
            name = dotted(attribute)
            if name.startswith("self."):
                yield from _kept(source, attribute, name.removeprefix("self."))


def _kept(source: Source, node: cst.CSTNode, name: str) -> Iterator[cst.BaseExpression]:
    owner = source.enclosing(node, cst.ClassDef)
    for assign in source.all(cst.Assign, owner):
        if any(dotted(t.target) == f"self.{name}" for t in assign.targets):
            yield assign.value
    for call in source.calls("register_buffer", within=owner):
        key, tensor = argument(call, "name", 0), argument(call, "tensor", 1)
        if key is not None and tensor is not None and source.code(key.value)[1:-1] == name:
            yield tensor.value


def _axis(source: Source) -> Iterator[Change]:
    """Masked scores whose softmax runs over the positions that ask, not over those asked."""
    for call in source.calls("softmax", "Softmax"):
        dim = argument(call, "dim") or (call.args[-1] if call.args else None)
        function = source.enclosing(call, cst.FunctionDef)
        masks = function is not None and "masked_fill" in source.code(function)
        if masks and dim is not None and source.code(dim.value) == "-2":
            yield source.replace(dim.value, "-1")


def _diagonals(source: Source) -> Iterator[Change]:
    """A triangle that begins one diagonal too far to the right."""
    for call in source.calls("triu", "tril"):
        right = 1 if last_name(call.func) == "triu" else 0
        matrix = isinstance(call.func, cst.Attribute) and source.code(call.func.value) != "torch"
        given = argument(call, "diagonal", 0 if matrix else 1)
        if "ones" in source.code(call) and given is not None:
            number = source.code(given.value)
            if number.isdigit() and int(number) > right:
                yield source.replace(given.value, str(right))


def _layers(source: Source) -> Iterator[Change]:
    """Modules of attention that are called without a mask."""
    # Beside a decoder the encoder may look both ways.
    known = DECODERS if any(source.calls(*DECODERS)) else LAYERS
    for maker in source.calls(*known):
        assign = source.parent(maker)
        if not isinstance(assign, cst.Assign):
            continue
        target, name = assign.targets[0].target, known[last_name(maker.func)]
        for use in uses(source, target):
            call = source.parent(use)
            if not isinstance(call, cst.Call) or call.func is not use or not call.args:
                continue
            given = [source.code(a.value) for a in call.args]
            same = name != "attn_mask" or given[:3] == given[:1] * 3  # not to another sequence
            mask = argument(call, name, POSITIONS[name])
            if same and (mask is None or _left_open(source, mask.value)):
                yield from _masked(source, maker, call, name, mask)


def _left_open(source: Source, mask: cst.BaseExpression) -> bool:
    """Whether a mask is a parameter of the function around it that may be left out."""
    function = source.enclosing(mask, cst.FunctionDef)
    if not isinstance(function, cst.FunctionDef) or not isinstance(mask, cst.Name):
        return False
    params = [*function.params.params, *function.params.kwonly_params]
    return any(
        p.name.value == mask.value and p.default is not None and source.code(p.default) == "None"
        for p in params
    )


def _masked(
    source: Source, maker: cst.Call, call: cst.Call, name: str, given: cst.Arg | None
) -> Iterator[Change]:
    first = call.args[0].value
    if not isinstance(first, (cst.Name, cst.Attribute)):
        raise Refused(
            f"{source.file}:{source.lines(call)[0]} gives the attention an expression whose "
            "length has no name.",
            f"Pass {name}=nn.Transformer.generate_square_subsequent_mask(length) there.",
        )
    text = source.code(first)
    dim = 1 if _batch_first(source, maker) else 0
    square, imports = member(source, "torch.nn", "Transformer")
    mask = f"{square}.generate_square_subsequent_mask({text}.size({dim}), device={text}.device)"
    yield from imports
    if given is None:
        yield add_argument(source, call, f"{name}={mask}")
    else:
        own = source.code(given.value)
        yield source.before(call, f"if {own} is None:\n    {own} = {mask}")


def _batch_first(source: Source, maker: cst.Call) -> bool:
    """Whether a layer, or the layer that an encoder is made of, has the batch first."""
    inner = [c for c in calls_in(source, maker) if last_name(c.func) in (*LAYERS, *DECODERS)]
    if maker.args:  # self.layer = nn.TransformerEncoderLayer(...), and then made of that
        text = source.code(maker.args[0].value)
        inner += [c for c in source.calls(*INNER) if assigned_to(source, c) == text]
    return any(
        (given := argument(call, "batch_first")) is not None and source.code(given.value) == "True"
        for call in [maker, *inner]
    )


def _by_hand(source: Source) -> Iterator[Change]:
    """A softmax over a product of queries and keys."""
    for call in source.calls("softmax"):
        function = source.enclosing(call, cst.FunctionDef)
        if not isinstance(function, cst.FunctionDef):
            continue
        if any(word in source.code(function).lower() for word in MASKING):
            continue
        owner = call.func.value if isinstance(call.func, cst.Attribute) else None
        method = owner is not None and source.code(owner) not in ("F", "torch", "nn.functional")
        scores = owner if method else call.args[0].value if call.args else None
        if not isinstance(scores, cst.Name) or not _product(source, scores):
            continue
        text = scores.value
        ones, imports = member(source, "torch", "ones")
        kind, more = member(source, "torch", "bool")
        yield from dict.fromkeys([*imports, *more])
        future = f"{ones}({text}.shape[-2:], dtype={kind}, device={text}.device).triu(1)"
        yield source.before(call, f'{text} = {text}.masked_fill({future}, float("-inf"))')


def _product(source: Source, scores: cst.Name) -> bool:
    """Whether a name was last set to a product with a transposed matrix."""
    value = last_value(source, scores)
    text = source.code(value) if value is not None else ""
    return ("@" in text or "matmul" in text or "bmm" in text) and (
        "transpose" in text or ".mT" in text or "permute" in text
    )
