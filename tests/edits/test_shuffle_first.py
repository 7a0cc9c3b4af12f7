"""shuffle-first: held-out rows are drawn, not the last ones."""
# ruff: noqa: E501  # scripts as they are written

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.edits import Refused
from penlight.edits.scene import Scene
from penlight.edits.shuffle_first import ShuffleFirst
from penlight.lab import Recorded

SCRIPT = """
{imports}
import torch
from torch import nn

x, y = {data}
n = int(0.8 * len(x))
{split}
model = nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(torch.as_tensor(a)), torch.as_tensor(b)).backward()
    optimizer.step()
print(int(min(d)), int(max(d)), bool((c[:, 0].astype(int) == d).all() if hasattr(c, "astype") else (c[:, 0] == d).all()))
"""
TENSORS = "torch.arange(200).float().view(-1, 1).expand(-1, 2) // 100, torch.arange(200) // 100"
ARRAYS = "np.repeat(np.arange(2), 100)[:, None].astype('float32') * np.ones((1, 2), 'float32'), np.repeat(np.arange(2), 100)"
PAIRS = "a, c = x[:n], x[n:]\nb, d = y[:n], y[n:]"
DRAWN = "order = {}(len(x))\nx, y = x[order], y[order]\n"


@pytest.mark.parametrize(
    ("imports", "data", "split", "drawn"),
    [
        ("", TENSORS, PAIRS, "torch.randperm"),
        ("import numpy as np", ARRAYS, PAIRS, "np.random.permutation"),
        (
            "import numpy as np",
            TENSORS,
            "a, b, c, d = x[:n], y[:n], x[n:], y[n:]",
            "np.random.permutation",
        ),
    ],
)
def test_all_arrays_are_shuffled_alike_before_the_cut(
    scene: Callable[..., Scene],
    rerun: Callable[[Scene], Recorded],
    imports: str,
    data: str,
    split: str,
    drawn: str,
) -> None:
    found = scene(SCRIPT.format(imports=imports, data=data, split=split))
    edited = found.after([ShuffleFirst()])
    wanted = DRAWN.format(drawn) + split
    assert edited.script.text == SCRIPT.format(imports=imports, data=data, split=wanted)
    assert rerun(found).printed.split() == ["1", "1", "True"]
    assert rerun(edited).printed.split() == ["0", "1", "True"]


def test_a_split_that_was_told_not_to_shuffle(scene: Callable[..., Scene]) -> None:
    split = "a, c, b, d = train_test_split(x, y, test_size=0.2{})"
    imports = "from sklearn.model_selection import train_test_split"
    script = SCRIPT.format(imports=imports, data=TENSORS, split=split)
    edited = scene(script.format(", shuffle=False")).after([ShuffleFirst()])
    assert edited.script.text == script.format("")


def test_keras_holds_the_last_rows_out(scene: Callable[..., Scene]) -> None:
    call = "\nif len(x) < 3:\n    model.compile()\n    model.fit(x, y, epochs=2, validation_split=0.2)\n"
    split = "a, b, c, d = x, y, x, y"
    script = SCRIPT.format(imports="", data=TENSORS, split=split) + call
    wanted = script.replace(
        "    model.fit",
        "    order = torch.randperm(len(x))\n    x, y = x[order], y[order]\n    model.fit",
    )
    assert scene(script).after([ShuffleFirst()]).script.text == wanted


@pytest.mark.parametrize(
    ("split", "why"),
    [
        ("a, c = x[:n], x[n:]\nb, d = y[:n], y[n + 1 :]", "no place"),
        (PAIRS + "\nx, y = a, b\nm = 5\na, c = x[:m], x[m:]\nb, d = y[:m], y[m:]", "more than one"),
    ],
)
def test_what_is_cut_otherwise_is_left_alone(
    scene: Callable[..., Scene], split: str, why: str
) -> None:
    script = SCRIPT.format(imports="", data=TENSORS, split=split).replace(
        "(c[:, 0] == d)", "(c[:1, 0] == d[:1])"
    )
    with pytest.raises(Refused, match=why):
        scene(script).after([ShuffleFirst()])
