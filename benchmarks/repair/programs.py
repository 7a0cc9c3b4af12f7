"""Programs for `measure.py` that are not kept elsewhere: one sound script, and faults put into it.

`harm` rebuilds the seven cases on which two tools that act on a running training did harm or did
not help (an MLP on the digits of scikit-learn). `lot` puts two to six faults at once into
one script, by lot; multi.py has scripts with several faults by choice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

SOUND = '''\
"""Handwritten digits, 8 x 8 pixels."""
import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
digits = load_digits()
order = np.random.RandomState(7).permutation(len(digits.data))
x = torch.tensor(digits.data[order] / 16.0, dtype=torch.float32)
y = torch.tensor(digits.target[order])
x_train, y_train, x_val, y_val = x[:1344], y[:1344], x[1344:], y[1344:]

layers = [nn.Linear(64, 64), nn.ReLU()]
for _ in range(3):
    layers += [nn.Linear(64, 64), nn.ReLU()]
model = nn.Sequential(*layers, nn.Dropout(0.1), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(20):
    model.train()
    for rows in torch.randperm(len(x_train)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(x_val)
        print(f"epoch {epoch} val loss {criterion(out, y_val):.3f}")
accuracy = (out.argmax(1) == y_val).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy", "value": accuracy}))
'''


@dataclass(frozen=True)
class Program:
    """A faulty script, its known good form, and whether a higher RESULT is better.

    `kept` are results that were measured before: (as it is, good) by seed. `singles` are the
    faulty script with one of its faults repaired.
    """

    name: str
    faulty: str
    good: str
    higher: bool
    kept: tuple[tuple[float, float], ...] = ()
    singles: tuple[str, ...] = ()


Fault = tuple[tuple[str, str], ...]  # (good text, faulty text)

ZERO_GRAD: Fault = (("        optimizer.zero_grad()\n", ""),)
RATE_HIGH: Fault = (("lr=0.1", "lr=10.0"),)
RATE_LOW: Fault = (("lr=0.1", "lr=0.00001"),)
SIGMOID: Fault = (("nn.ReLU()", "nn.Sigmoid()"),)
DEPTH: Fault = (("range(3)", "range(18)"),)
KILL = """\
for layer in model:
    if isinstance(layer, nn.Linear) and layer.out_features == 64:
        nn.init.constant_(layer.bias, -10.0)
"""
DEAD: Fault = (("optimizer =", KILL + "optimizer ="),)
SOFTMAX: Fault = (("nn.Linear(64, 10))", "nn.Linear(64, 10), nn.Softmax(1))"),)
RAW: Fault = (("digits.data[order] / 16.0", "digits.data[order] * 100.0 + 500.0"),)
SORTED: Fault = (("torch.randperm(len(x_train))", "torch.argsort(y_train)"),)
NO_EVAL: Fault = (("    model.eval()\n", ""), ("nn.Dropout(0.1)", "nn.Dropout(0.5)"))
DECAY: Fault = (("momentum=0.9)", "momentum=0.9, weight_decay=0.5)"),)
HEAD: Fault = (("model.parameters(), lr", "list(model.parameters())[:-2], lr"),)
SCORE = "accuracy = (out.argmax(1) == y_val).float().mean().item()"
R2 = "accuracy = 1 - (criterion(out, y_val[:, None].float()) / y_val.float().var()).item()"
REGRESSION: Fault = (
    ("nn.Linear(64, 10))", "nn.Linear(64, 1))"),
    ("nn.CrossEntropyLoss()", "nn.MSELoss()"),
    ("model(x_train[rows]), y_train[rows])", "model(x_train[rows]), y_train[rows, None].float())"),
    ("criterion(out, y_val)", "criterion(out, y_val[:, None].float())"),
    (SCORE, R2),
    ("lr=0.1", "lr=0.01"),
)
SQUARES: Fault = (*REGRESSION, ("lr=0.01", "lr=10.0"))
SPLIT = "x_train, y_train, x_val, y_val = x[:1344], y[:1344], x[1344:], y[1344:]\n"
FEWER = "x_train, y_train, x_val, y_val = x[:60], y[:60].clone(), x[1344:], y[1344:]\n"
NOISE = "y_train[::5] = torch.randint(0, 10, (12,))\n"
FEW: Fault = ((SPLIT, FEWER + NOISE), ("range(20)", "range(120)"))

# By name: the faults that separate the script as it is from the good one.
HARM: dict[str, tuple[Fault, ...]] = {
    "healthy": (),
    "vanishing": (SIGMOID, DEPTH),
    "lr-100": (RATE_HIGH,),
    "nan": (SQUARES,),
    "dead-units": (DEAD,),
    "overfitting": (FEW,),
    "no-zero-grad": (ZERO_GRAD,),
}
FAULTS = {
    "zero-grad": ZERO_GRAD,
    "rate-high": RATE_HIGH,
    "sigmoid": SIGMOID,
    "dead": DEAD,
    "softmax": SOFTMAX,
    "raw": RAW,
    "sorted": SORTED,
    "no-eval": NO_EVAL,
    "decay": DECAY,
    "head": HEAD,
}
LOT_SEED, EACH = 0, 2


def with_faults(text: str, faults: tuple[Fault, ...]) -> str:
    """A script with faults put in."""
    for fault in faults:
        for good, bad in fault:
            assert good in text, good
            text = text.replace(good, bad)
    return text


def harm() -> Iterator[Program]:
    """The seven cases of acting tools."""
    for name, faults in HARM.items():
        yield Program(name, with_faults(SOUND, faults), _good(name), True)


def _good(name: str) -> str:
    """The good form: depth, few samples and squared errors are the task there, not the fault."""
    if name == "vanishing":
        layer = "[nn.Linear(64, 64), nn.ReLU()]\nmodel"
        normed = SOUND.replace(layer, layer.replace(", nn.R", ", nn.BatchNorm1d(64), nn.R"))
        return with_faults(normed, (DEPTH,))
    if name == "overfitting":  # no labels by lot
        return with_faults(SOUND, (FEW,)).replace(
            "y_train[::5] = torch.randint(0, 10, (12,))\n", ""
        )
    if name == "nan":
        return with_faults(SOUND, (REGRESSION,))
    return SOUND


def lot() -> Iterator[Program]:
    """Two scripts each with two, three, ... six faults, drawn by lot."""
    draw = random.Random(LOT_SEED)
    for count in range(2, 7):
        for _ in range(EACH):
            names = sorted(draw.sample(list(FAULTS), count), key=list(FAULTS).index)
            yield _several(f"{count}: {' '.join(names)}", names)


def _several(title: str, names: list[str]) -> Program:
    """The script with faults, and with all but one of them."""

    def made(left: list[str]) -> str:
        return with_faults(SOUND, tuple(FAULTS[n] for n in left))

    singles = tuple(made([n for n in names if n != name]) for name in names)
    return Program(title, made(names), SOUND, True, singles=singles)
