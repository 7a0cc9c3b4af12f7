"""What Penlight and two other tools say of the same eight small runs, word for word.

    ./do bench peers                all of them, some minutes
    ./do bench peers CASE TOOL      one

An MLP on scikit-learn's digits, seed 0: two healthy runs and six with one fault each. The loop is
the same for every tool, each used as its own documentation begins. Nothing is judged here: the
table has what each tool says first, the worst first, and how much more it says.
"""

from __future__ import annotations

import contextlib
import io
import json
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

FIRST = 3  # told in the table
Step = Callable[[torch.Tensor], None]


def entropy(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, labels)


def squares(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A squared error on the label's number: its gradients grow without bound."""
    return F.mse_loss(outputs[:, 0], labels.float())


@dataclass(frozen=True)
class Case:
    """One training. `fault` is what was done to it, '' for a healthy one."""

    fault: str = ""
    layers: int = 3
    norm: bool = False
    activation: type[nn.Module] = nn.ReLU
    bias: float | None = None
    optimizer: str = "sgd"
    lr: float = 0.1
    rows: int = 1347
    noise: float = 0.0
    epochs: int = 15
    clear: bool = True
    loss: Callable[..., torch.Tensor] = entropy


CASES = {
    "healthy Adam": Case(optimizer="adam", lr=1e-3),
    "healthy batch norm": Case(norm=True, optimizer="adamw", lr=1e-3),
    "deep sigmoid": Case("20 sigmoid layers", layers=20, activation=nn.Sigmoid),
    "rate x 100": Case("learning rate 100 times too high", lr=10.0),
    "NaN": Case("rate 100 times too high, squared error", lr=1.0, loss=squares),
    "dead units": Case("hidden biases of -10", bias=-10.0),
    "overfitting": Case("60 rows, a fifth of the labels wrong", rows=60, noise=0.2, epochs=120),
    "no zero_grad": Case("gradients are never cleared", clear=False),
}


def network(case: Case) -> nn.Sequential:
    parts: list[nn.Module] = []
    width = 64
    for _ in range(case.layers):
        layer = nn.Linear(width, 128)
        if case.bias is not None:
            nn.init.constant_(layer.bias, case.bias)
        parts += [layer, *([nn.BatchNorm1d(128)] if case.norm else []), case.activation()]
        width = 128
    return nn.Sequential(*parts, nn.Linear(width, 10))


def made(model: nn.Module, case: Case) -> torch.optim.Optimizer:
    if case.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=case.lr, momentum=0.9)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[case.optimizer](model.parameters(), lr=case.lr)


def train(case: Case, model: nn.Module, optimizer: torch.optim.Optimizer, step: Step) -> float:
    """An ordinary loop; the share of validation rows that come out right."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = torch.randperm(len(digits.target))
    x = torch.tensor(digits.data[order], dtype=torch.float32) / 16
    y = torch.tensor(digits.target[order])
    rows = min(case.rows, 1347)
    wrong = torch.rand(rows) < case.noise
    labels = torch.where(wrong, torch.randint(10, (rows,)), y[:rows])
    data = torch.utils.data.TensorDataset(x[:rows], labels)
    size = min(64, rows // 2)
    loader = torch.utils.data.DataLoader(data, size, shuffle=True, drop_last=True)
    right = 0.0
    for _ in range(case.epochs):
        model.train()
        for inputs, targets in loader:
            if case.clear:
                optimizer.zero_grad()
            loss = case.loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            step(loss)
        model.eval()
        with torch.no_grad():
            outputs = model(x[1347:])
            case.loss(outputs, y[1347:])
            right = (outputs.argmax(1) == y[1347:]).float().mean().item()
    return right


# -- the tools ------------------------------------------------------------------------------


@contextmanager
def penlight_watch(model: nn.Module, optimizer: Any, said: list[str]) -> Iterator[Step]:
    import penlight

    with penlight.watch(model, optimizer) as seen:
        yield lambda _: None
    found = seen.diagnose().alarms
    causes = [x for x in found if x.role == "cause"]
    said += [f"{x.severity}: {x.pitfall}" for x in causes]


@contextmanager
def torchmortem(model: nn.Module, optimizer: Any, said: list[str]) -> Iterator[Step]:
    from torchmortem import Autopsy

    with Autopsy(model, optimizer=optimizer) as autopsy:
        yield lambda loss: autopsy.step(loss=loss)
    report = autopsy.get_report()
    found = sorted(report.findings, key=lambda x: -int(x.severity)) if report else []
    said += [f"{x.severity.name.lower()}: {x.title}" for x in found if x.severity.name != "INFO"]


@contextmanager
def torch_audit(model: nn.Module, optimizer: Any, said: list[str]) -> Iterator[Step]:
    from torch_audit import autopatch

    auditor = autopatch(model, optimizer=optimizer, every_n_steps=1, run_static=True, run_init=True)
    yield lambda _: None
    found = auditor.finish().findings
    auditor.unpatch()
    levels = {"INFO": 0, "WARN": 1, "WARNING": 1, "ERROR": 2, "FATAL": 3}
    found = [x for x in found if levels.get(x.severity.name, 1) > 0]
    found.sort(key=lambda x: -levels.get(x.severity.name, 1))
    told = (f"{x.severity.name.lower()}: {x.message.splitlines()[0]}" for x in found)
    said += list(dict.fromkeys(told))


TOOLS = {"penlight": penlight_watch, "torchmortem": torchmortem, "torch-audit": torch_audit}


def one(name: str, tool: str) -> dict[str, Any]:
    """What a tool says of a case, and how the training went."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    case = CASES[name]
    model = network(case)
    optimizer = made(model, case)
    said: list[str] = []
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with TOOLS[tool](model, optimizer, said) as step:
            right = train(case, model, optimizer, step)
    return {"said": said, "accuracy": right}


def main(words: list[str]) -> None:
    """Print the table, or one cell."""
    if len(words) == 2:
        print(json.dumps(one(*words)))
        return
    names = {x: x if x != "penlight" else "Penlight" for x in TOOLS}
    versions = ", ".join(f"{names[x]} {version(x)}" for x in TOOLS)
    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {platform.machine()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}; {versions}\n"
    )
    print(f"| run | what is wrong | accuracy | {' | '.join(names.values())} |")
    print(f"|---|---|---:|{'---|' * len(TOOLS)}")
    for name, case in CASES.items():
        cells, accuracy = [], "?"
        for tool in TOOLS:
            done = subprocess.run(
                [sys.executable, __file__, name, tool], capture_output=True, text=True, check=False
            )
            if done.returncode:
                cells.append(f"failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            answer = json.loads(done.stdout.splitlines()[-1])
            accuracy = f"{answer['accuracy']:.2f}"
            said = [x.replace("|", "/") for x in answer["said"]]
            more = [f"and {len(said) - FIRST} more"] if len(said) > FIRST else []
            cells.append("; ".join([*said[:FIRST], *more]) or "nothing")
        print(f"| {name} | {case.fault or 'nothing'} | {accuracy} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
