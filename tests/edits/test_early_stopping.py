"""early-stopping: the best weights are kept, and what is reported is theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from penlight.edits import Refused
from penlight.edits.early_stopping import EarlyStopping
from penlight.edits.scene import Scene
from penlight.lab import record

TRAIN = """
import json
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(230, 8), torch.randn(230, 1)
train_x, train_y, val_x, val_y = x[:30], y[:30], x[30:], y[30:]
model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_fn = nn.MSELoss()
{before}
for epoch in range(60):
    for rows in torch.randperm(30).split(10):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
{inside}
print("RESULT " + json.dumps({{"metric": "validation loss", "value": {value}}}))
"""
BLOCK = """    model.eval()
    with torch.no_grad():
        val_loss = loss_fn(model(val_x), val_y).item()
    print(epoch, val_loss)
"""
SOMETIMES = """    if epoch % 2 == 0:
        with torch.no_grad():
            val_loss = loss_fn(model(val_x), val_y).item()
        history.append(val_loss)
"""
PRINTED = """    with torch.no_grad():
        out = model(val_x)
        print(f"epoch {epoch}: {loss_fn(out, val_y):.3f}")
"""
FUNCTION = """def validate():
    with torch.no_grad():
        return loss_fn(model(val_x), val_y).item(), 0.0

"""
STYLES = {
    "block": ("", BLOCK, "val_loss"),
    "printed": ("", PRINTED, "loss_fn(out, val_y).item()"),
    "sometimes": ("history = []", SOMETIMES, "val_loss"),
    "function": (FUNCTION, "    val_loss, best = validate()\n", "val_loss"),
    "validated at the end": (FUNCTION, "    val_loss, acc = validate()\n", "validate()[0]"),
    "summed": ("", BLOCK.replace("    model.eval()\n", "    val_loss = 0.0\n").replace(
        "        val_loss = loss_fn(model(val_x), val_y).item()",
        "        for xb, yb in zip(val_x.split(50), val_y.split(50)):\n"
        "            val_loss += loss_fn(model(xb), yb).item() / 4"), "val_loss"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_the_result_is_that_of_the_best_weights(
    scene: Callable[..., Scene], tmp_path: Path, style: str
) -> None:
    before, inside, value = STYLES[style]
    found = scene(TRAIN.format(before=before, inside=inside, value=value))
    last = record(tmp_path / "train.py").result

    edited = found.after([EarlyStopping(3)])

    text = edited.project.text("train.py")
    original = found.project.original("train.py").splitlines()
    assert [x for x in text.splitlines() if x in original][: len(original)]
    again = scene(text)
    stopped = record(tmp_path / "train.py").result
    assert stopped < last * 0.97
    assert again.run.steps < found.run.steps / 2
    assert json.dumps(stopped) != "NaN"


def test_no_validation_is_refused(scene: Callable[..., Scene]) -> None:
    found = scene(TRAIN.format(before="", inside="", value="loss.item()"))
    with pytest.raises(Refused) as refused:
        found.after([EarlyStopping()])
    assert "state_dict" in refused.value.instruction
