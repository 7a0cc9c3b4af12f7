"""causal-mask, shift-targets, shift-once, batch-first: sequence models that see what they may see."""
# ruff: noqa: E501  # one row of the table is one style

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from penlight.edits import Edit, Refused
from penlight.edits.batch_first import BatchFirst
from penlight.edits.causal_mask import CausalMask
from penlight.edits.scene import Scene
from penlight.edits.shift_once import ShiftOnce
from penlight.edits.shift_targets import ShiftTargets
from penlight.edits.training import Training
from penlight.lab import Recorded

SCRIPT = """
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
ids = torch.randint(0, 7, (6, 5))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(7, 8)
        {layer}
        self.head = nn.Linear(8, 7)

    def forward(self, ids):
        x = self.token(ids)
        {apply}
        return self.head(x)


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    loss = F.cross_entropy(model(ids)[:, :-1].reshape(-1, 7), ids[:, 1:].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.eval()
with torch.no_grad():
    other = ids.clone()
    other[:, -1] = (other[:, -1] + 1) % 7
    print((model(ids) - model(other))[:, :-1].abs().max().item() > 1e-6)
"""
LAYER = "nn.TransformerEncoderLayer(8, 2, 8, 0.0, batch_first=True)"
MASK = "nn.Transformer.generate_square_subsequent_mask(x.size(1), device=x.device)"
FUTURE = 'scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1), float("-inf"))'
MASKED: dict[str, tuple[str, str, str, str]] = {
    "function": ("pass", "x = F.scaled_dot_product_attention(x, x, x)", "(x, x, x)", "(x, x, x, is_causal=True)"),
    "switch": ("pass", "x = x + F.scaled_dot_product_attention(x, x, x, is_causal=False)", "is_causal=False", "is_causal=True"),
    "attention": ("self.a = nn.MultiheadAttention(8, 2, batch_first=True)", "x, _ = self.a(x, x, x)", "(x, x, x)", f"(x, x, x, attn_mask={MASK})"),
    "layer": (f"self.a = {LAYER}", "x = self.a(x)", "self.a(x)", f"self.a(x, src_mask={MASK})"),
    "encoder": (f"self.a = nn.TransformerEncoder({LAYER}, 1)", "x = self.a(x)", "self.a(x)", f"self.a(x, mask={MASK})"),
    "decoder": (f"self.e = nn.TransformerEncoder({LAYER}, 1)\n        self.a = nn.TransformerDecoder({LAYER.replace('Encoder', 'Decoder')}, 1)", "x = self.a(x, self.e(torch.zeros_like(x)))", "zeros_like(x)))", f"zeros_like(x)), tgt_mask={MASK})"),
    "by hand": ("self.qk = nn.Linear(8, 8)", "scores = self.qk(x) @ x.transpose(1, 2); x = F.softmax(scores, dim=-1) @ x", "x = F.soft", f"{FUTURE}; x = F.soft"),
    "thrown away": ("self.m = torch.ones(5, 5).triu(1).bool()", "s = x @ x.transpose(1, 2); s.masked_fill(self.m, -1e9); x = s.softmax(-1) @ x", "s.masked", "s = s.masked"),
    "the wrong way round": ('self.register_buffer("m", torch.ones(5, 5).triu(1).bool())', "m = self.m[:5]; x = F.scaled_dot_product_attention(x, x, x, attn_mask=m)", "attn_mask=m", "attn_mask=~m"),
    "an attribute": ("self.m = torch.ones(5, 5).triu(1).bool()", "x = F.scaled_dot_product_attention(x, x, x, self.m)", "x, self.m)", "x, ~self.m)"),
    "the other axis": ("self.m = torch.ones(5, 5).triu(1).bool()", "s = x @ x.transpose(1, 2); s = s.masked_fill(self.m, -1e9); x = F.softmax(s, dim=-2) @ x", "dim=-2", "dim=-1"),
    "one too far": ("self.m = torch.triu(torch.ones(5, 5), diagonal=2).bool()", "x = (x @ x.transpose(1, 2)).masked_fill(self.m, -1e9).softmax(-1) @ x", "diagonal=2", "diagonal=1"),
}  # fmt: skip


@pytest.mark.parametrize("style", MASKED)
def test_no_position_sees_what_comes(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    layer, apply, old, new = MASKED[style]
    script = SCRIPT.format(layer=layer, apply=apply)
    assert script.count(old) == 1
    found = scene(script)
    edited = found.after([CausalMask()])
    assert edited.project.text("train.py") == script.replace(old, new)
    assert rerun(found).printed.splitlines()[-1] == "True"
    assert rerun(edited).printed.splitlines()[-1] == "False"


def test_a_mask_that_may_be_left_out(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    script = SCRIPT.format(layer=f"self.a = {LAYER}", apply="x = self.a(x, src_mask=mask)")
    script = script.replace("def forward(self, ids):", "def forward(self, ids, mask=None):")
    edited = scene(script).after([CausalMask()])
    default = f"if mask is None:\n            mask = {MASK}\n        x = self.a(x,"
    assert edited.project.text("train.py") == script.replace("x = self.a(x,", default)
    assert rerun(edited).printed.splitlines()[-1] == "False"


HANDED = """
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
ids = torch.randint(0, 7, (6, 5))


class Attention(nn.Module):
    def forward(self, x, mask=None):
        scores = x @ x.transpose(1, 2)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(-1) @ x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.head = nn.Embedding(7, 8), nn.Linear(8, 7)
        self.attention = Attention()

    def block(self, x, causal_mask):
        return x + {call}

    def forward(self, ids):
        return self.head(self.block(self.token(ids), torch.ones(5, 5).tril().bool()))


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    loss = F.cross_entropy(model(ids)[:, :-1].reshape(-1, 7), ids[:, 1:].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    other = ids.clone()
    other[:, -1] = (other[:, -1] + 1) % 7
    print((model(ids) - model(other))[:, :-1].abs().max().item() > 1e-6)
"""


@pytest.mark.parametrize("call", ["self.attention(x, mask=None)", "self.attention(x)"])
def test_a_mask_that_is_not_handed_on(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], call: str
) -> None:
    found = scene(HANDED.format(call=call))
    edited = found.after([CausalMask()])
    wanted = HANDED.format(call="self.attention(x, mask=causal_mask)")
    assert edited.project.text("train.py") == wanted
    assert rerun(found).printed.splitlines()[-1] == "True"
    assert rerun(edited).printed.splitlines()[-1] == "False"


OWN = """
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
tokens = torch.randint(0, 7, (6, 5))
model = nn.Sequential(nn.Embedding(7, 8), nn.Linear(8, 7))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    {loop}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "x = tokens; logits = model(x); loss = F.cross_entropy(logits.view(-1, 7), x.view(-1))",
            "x = tokens; logits = model(x); loss = F.cross_entropy(logits[:, :-1].reshape(-1, 7), x[:, 1:].reshape(-1))",
        ),
        (
            "loss = F.cross_entropy(model(tokens).transpose(1, 2), tokens)",
            "loss = F.cross_entropy(model(tokens)[:, :-1].transpose(1, 2), tokens[:, 1:])",
        ),
        (
            "logits = model(tokens).mT; loss = F.cross_entropy(logits, tokens)",
            "logits = model(tokens).mT; loss = F.cross_entropy(logits[:, :, :-1], tokens[:, 1:])",
        ),
        (
            "x = tokens[:, 1:]; y = tokens[:, 1:]; loss = F.cross_entropy(model(x).mT, y)",
            "x = tokens[:, :-1]; y = tokens[:, 1:]; loss = F.cross_entropy(model(x).mT, y)",
        ),
    ],
)
def test_each_token_is_asked_for_the_next_one(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], before: str, after: str
) -> None:
    edited = scene(OWN.format(loop=before)).after([ShiftTargets()])
    assert edited.project.text("train.py") == OWN.format(loop=after)
    assert rerun(edited).run.steps == 2
    with pytest.raises(Refused, match="not visible"):
        edited.after([ShiftTargets()])


TWICE = """
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
tokens = torch.randint(0, 7, (6, 5))
model = nn.Sequential(nn.Embedding(7, 8), nn.Linear(8, 7))
sizes = [7, 8, 7]
shapes = list(zip(sizes[:-1], sizes[1:]))


def next_token_loss(logits, labels):
    return F.cross_entropy({said}.transpose(1, 2), {asked})


optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    inputs, labels = {inputs}, {labels}
    loss = next_token_loss(model(inputs), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
SHIFTED = {"said": "logits[:, :-1, :]", "asked": "labels[:, 1:]"}
CUT = {"inputs": "tokens[:, :-1]", "labels": "tokens[:, 1:]"}


def test_of_two_shifts_the_data_keep_theirs(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded]
) -> None:
    found = scene(TWICE.format(**SHIFTED, **CUT))
    edited = found.after([ShiftOnce()])
    wanted = TWICE.format(said="logits", asked="labels", **CUT)
    assert edited.project.text("train.py") == wanted
    assert rerun(edited).run.steps == 2
    alone = edited.after([ShiftOnce()])  # the other one is a loss of some package
    assert "inputs, labels = tokens, tokens" in alone.project.text("train.py")
    with pytest.raises(Refused, match="not visible"):
        alone.after([ShiftOnce()])


def test_a_shift_keeps_the_rest_of_its_slice(scene: Callable[..., Scene]) -> None:
    script = TWICE.format(said="logits[:, 1:-1, :]", asked="labels[..., 1:]", **CUT)
    text = scene(script.replace("[:, :-1]", "[:, :]")).after([ShiftOnce()]).project.text("train.py")
    assert "F.cross_entropy(logits[:, 1:, :].transpose(1, 2), labels)" in text


def test_attention_to_another_sequence_is_left_alone(scene: Callable[..., Scene]) -> None:
    layer = "self.a = nn.MultiheadAttention(8, 2, batch_first=True)"
    found = scene(SCRIPT.format(layer=layer, apply="m = x * 2; x, _ = self.a(x, m, m)"))
    with pytest.raises(Refused, match="no attention without a mask"):
        found.after([CausalMask()])


ROWS = """
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(12, 5, 3), torch.arange(12) % 2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = {layer}
        self.head = nn.Linear({width}, 2)

    def forward(self, x):
        {apply}
        return self.head({out})


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for rows in torch.arange(12).split(6):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
    optimizer.step()
with torch.no_grad():
    other = x.clone()
    other[0] += 1
    print((model(x) - model(other))[1:].abs().max().item() > 1e-6)
"""
ALONG: dict[str, tuple[str, str, str, str, str]] = {
    "switch": ("nn.GRU(3, 4, batch_first=False)", "x, _ = self.rnn(x)", "4", "batch_first=False", "batch_first=True"),
    "missing": ("nn.LSTM(3, 4)", "x, _ = self.rnn(x)", "4", "nn.LSTM(3, 4)", "nn.LSTM(3, 4, batch_first=True)"),
    "attention": ("nn.MultiheadAttention(3, 1)", "x, _ = self.rnn(x, x, x)", "3", "Attention(3, 1)", "Attention(3, 1, batch_first=True)"),
}  # fmt: skip


FIRST = "h = torch.zeros(1, x.{}, 4)\n        x, _ = self.rnn(x, h)"
NAMED = "n = x.{}\n        h = (torch.zeros(1, n, 4), torch.zeros(1, n, 4))\n        x, _ = self.rnn(x, h)"


@pytest.mark.parametrize(
    ("layer", "apply", "sizes"),
    [
        ("nn.GRU(3, 4)", FIRST, ("size(1)", "size(0)")),
        ("nn.RNN(3, 4)", FIRST, ("shape[1]", "shape[0]")),
        ("nn.LSTM(3, 4)", NAMED, ("size(1)", "size(0)")),
    ],
)
def test_first_states_are_made_for_the_samples(
    scene: Callable[..., Scene],
    rerun: Callable[[Scene], Recorded],
    layer: str,
    apply: str,
    sizes: tuple[str, str],
) -> None:
    def script(layer: str, size: str) -> str:
        made = ROWS.format(layer=layer, apply=apply.format(size), width="4", out="x[:, -1]")
        return made.replace("Net", "GRU")  # a class of the user's by such a name

    edited = scene(script(layer, sizes[0])).after([BatchFirst()])
    assert edited.script.text == script(layer.replace(", 4)", ", 4, batch_first=True)"), sizes[1])
    assert rerun(edited).printed.splitlines()[-1] == "False"


@pytest.mark.parametrize("style", ALONG)
def test_no_sample_sees_another(
    scene: Callable[..., Scene], rerun: Callable[[Scene], Recorded], style: str
) -> None:
    layer, apply, width, old, new = ALONG[style]
    script = ROWS.format(layer=layer, apply=apply, width=width, out="x[:, -1]")
    found = scene(script)
    edited = found.after([BatchFirst()])
    assert edited.project.text("train.py") == script.replace(old, new)
    assert rerun(found).printed.splitlines()[-1] == "True"
    assert rerun(edited).printed.splitlines()[-1] == "False"


def test_a_layer_that_is_fed_the_time_first_is_left_alone(scene: Callable[..., Scene]) -> None:
    apply = "x, _ = self.rnn(x.transpose(0, 1))"
    found = scene(ROWS.format(layer="nn.LSTM(3, 4)", apply=apply, width="4", out="x[-1]"))
    with pytest.raises(Refused, match="time first"):
        found.after([BatchFirst()])


@pytest.mark.parametrize("edit", [BatchFirst()])
def test_the_live_face_parts_the_samples(edit: Edit) -> None:
    torch.manual_seed(0)
    model = nn.LSTM(3, 4)
    x = torch.randn(6, 5, 3)
    training = Training(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), [])
    other = x.clone()
    other[0] += 1
    assert not torch.equal(model(x)[0][1:], model(other)[0][1:])
    edit.live(training)
    assert torch.equal(model(x)[0][1:], model(other)[0][1:])
    with pytest.raises(Refused):
        edit.live(training)
