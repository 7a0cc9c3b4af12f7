"""add-positions: a learnt place for each token."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.add_positions import AddPositions
from penlight.edits.scene import Scene
from penlight.lab import Recorded

SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
ids = torch.randint(0, 7, (12, 5))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = {layer}
        self.attention = nn.TransformerEncoderLayer(8, 2, 8, 0.0, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, {name}):
        {apply}
        return self.head(self.attention(x).mean(1))


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(ids{cast}), ids[:, 0] % 2).backward()
    optimizer.step()
with torch.no_grad():
    print((model(ids{cast}) - model(ids.flip(1){cast})).abs().max().item() > 1e-4)
"""
MADE = "        self.places = nn.Embedding(5, 8)\n"
PLACE = "self.places(torch.arange(s.size(1), device=s.device))"


@pytest.mark.parametrize(
    ("layer", "apply", "after", "cast"),
    [
        ("nn.Embedding(7, 8)", "x = self.token(s)", f"self.token(s) + {PLACE}", ""),
        (
            "nn.Embedding(7, embedding_dim=8)",
            "x = self.token(s) * 8 ** 0.5",
            f"(self.token(s) + {PLACE}) * 8 ** 0.5",
            "",
        ),
        (
            "nn.Linear(1, 8)",
            "x = self.token(s) + 1",
            f"self.token(s) + {PLACE} + 1",
            ".float()[..., None]",
        ),
    ],
)
def test_tokens_know_their_place(
    scene: Callable[..., Scene],
    rerun: Callable[[Scene], Recorded],
    layer: str,
    apply: str,
    after: str,
    cast: str,
) -> None:
    script = SCRIPT.format(layer=layer, apply=apply, name="s", cast=cast)
    found = scene(script)
    edited = found.after([AddPositions()])
    made = f"        self.token = {layer}\n"
    wanted = script.replace(made, made + MADE).replace(apply, apply.replace("self.token(s)", "{}"))
    for text in ("x = {} * 8 ** 0.5", "x = {} + 1", "x = {}"):
        wanted = wanted.replace(text, f"x = {after}")
    assert edited.project.text("train.py") == wanted
    assert rerun(found).printed.strip() == "False"
    assert rerun(edited).printed.strip() == "True"
    with pytest.raises(Refused, match="already"):
        edited.after([AddPositions()])


@pytest.mark.parametrize(
    ("pe", "places", "after"),
    [
        ("[:, None]", "x + self.pe[:x.size(0)]", "x + self.pe[:x.size(1)].transpose(0, 1)"),
        (
            "[:, None]",
            "self.pe[: x.shape[0], :] + x",
            "self.pe[: x.shape[1], :].transpose(0, 1) + x",
        ),
    ],
)
def test_an_encoding_that_counts_the_rows_is_turned(
    scene: Callable[..., Scene],
    rerun: Callable[[Scene], Recorded],
    pe: str,
    places: str,
    after: str,
) -> None:
    script = SCRIPT.format(
        layer=f"nn.Embedding(7, 8)\n        self.register_buffer('pe', torch.randn(20, 8){pe})",
        apply=f"x = self.token(s)\n        x = {places}",
        name="s",
        cast="",
    )
    found = scene(script)
    edited = found.after([AddPositions()])
    assert edited.project.text("train.py") == script.replace(places, after)
    assert rerun(edited).printed.strip() == "True"


def test_a_first_layer_that_gets_something_made(scene: Callable[..., Scene]) -> None:
    script = SCRIPT.format(
        layer="nn.Embedding(7, 8)", apply="x = self.token(s.flip(1))", name="s", cast=""
    )
    with pytest.raises(Refused, match="not visible"):
        scene(script).after([AddPositions()])
