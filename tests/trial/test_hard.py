"""Scripts that are hard on purpose: a right patch or a clear sentence, and untouched files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from penlight.launch.target import Target
from penlight.trial.fix import fix
from penlight.trial.result import Fix

DATA = """
torch.manual_seed(0)
x = torch.randn(600, 8)
y = (x[:, 0] + x[:, 1] > 0).long()
"""
LOOP = """
for epoch in range(20):
    for i in range(0, 480, 32):
        {zero}loss = criterion(model(x[i:i + 32]), y[i:i + 32])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        criterion(model(x[480:]), y[480:])
"""
CLEARED = LOOP.format(zero="optimizer.zero_grad()\n        ")
SIX = CLEARED.replace("range(20)", "range(6)")  # a softmax too many slows it down, no more
HEAD = "import torch\nfrom torch import nn\n"
NET = "nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2){end})"
SOFTMAX = NET.format(end=", nn.Softmax(1)")
PLAIN = NET.format(end="")


BY_HAND = f"""
def criterion(scores, labels):
    chosen = torch.log_softmax(scores, 1)[torch.arange(len(labels)), labels]
    return -chosen.mean()

model = {PLAIN}
optimizer = torch.optim.SGD(model.parameters(), lr=60.0, momentum=0.9)
"""
PRINTED = "print(f'val acc {(model(x[480:]).argmax(1) == y[480:]).float().mean():.3f}')\n"


@dataclass(frozen=True)
class Hard:
    """A project, and what becomes of it.

    Args:
        files: by name; the script is train.py.
        args: of the script.
        edit: the first edit of the cure that must be proven; '' where none can be.
        file, line: where the patch must change something, and a line that it must contain.
        why: part of the sentence that says why there is no patch.
        kept: texts that stay as they are.
    """

    files: dict[str, str]
    args: tuple[str, ...] = ()
    edit: str = ""
    file: str = "train.py"
    line: str = ""
    why: str = ""
    kept: tuple[str, ...] = ()


HARD = {
    "a rate in YAML": Hard(
        {
            "train.py": f"""{HEAD}
import yaml
cfg = yaml.safe_load(open("config.yaml"))
{DATA}
model = {PLAIN}
optimizer = torch.optim.SGD(model.parameters(), lr=cfg["lr"], momentum=cfg["momentum"])
criterion = nn.CrossEntropyLoss()
{CLEARED}
""",
            "config.yaml": "lr: 60.0\nmomentum: 0.9\n",
        },
        edit="learning-rate",
        line="+optimizer = torch.optim.SGD(model.parameters(), lr=",
    ),
    "a notebook's cells": Hard(
        {
            "train.py": f"""# %% [markdown]
# # My experiment
# %%
{HEAD}
{DATA}
# %% the model
model = {SOFTMAX}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
# %% train
{SIX}
# %%
print("done")
"""
        },
        edit="output-activation",
        line=f"+model = {PLAIN}",
        kept=("# %% the model", "# %% train"),
    ),
    "a notebook's magic": Hard(
        {"train.py": f"get_ipython().run_line_magic('time', 'x')\n{HEAD}{DATA}{CLEARED}"},
        why="Take the notebook's own lines out",
    ),
    "slow to import": Hard(
        {
            "train.py": f"""{HEAD}
import heavy
{DATA}
model = {SOFTMAX}
optimizer = torch.optim.SGD(model.parameters(), lr=heavy.RATE)
criterion = nn.CrossEntropyLoss()
{SIX}
""",
            "heavy.py": "import time\ntime.sleep(1.0)\nRATE = 0.1\n",
        },
        edit="output-activation",
        line=f"+model = {PLAIN}",
    ),
    "training in a class": Hard(
        {
            "train.py": f"""{HEAD}

class Trainer:
    def __init__(self, model, lr=1e-2):
        self.model = model
        self.optim = torch.optim.Adam(model.parameters(), lr=lr)
        self.criterion = nn.CrossEntropyLoss()

    def step(self, x, y):
        loss = self.criterion(self.model(x), y)
        loss.backward()
        self.optim.step()
        return loss.item()

    @torch.no_grad()
    def evaluate(self, x, y):
        return self.criterion(self.model(x), y).item()

    def fit(self, x, y, epochs):
        for epoch in range(epochs):
            for i in range(0, 480, 32):
                self.step(x[i:i + 32], y[i:i + 32])
            self.evaluate(x[480:], y[480:])


if __name__ == "__main__":
{DATA.replace(chr(10), chr(10) + "    ")}
    Trainer({PLAIN}).fit(x, y, 20)
"""
        },
        edit="zero-grad",
        line="+        self.optim.zero_grad()",
    ),
    "a rate on the command line": Hard(
        {
            "train.py": f"""{HEAD}
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=20)
args = parser.parse_args()
{DATA}
model = {PLAIN}
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
criterion = nn.CrossEntropyLoss()
{CLEARED.replace("20", "args.epochs")}
"""
        },
        args=("--lr", "60", "--epochs", "25"),
        edit="learning-rate",
        line="+optimizer = torch.optim.SGD(model.parameters(), lr=",
    ),
    "several files": Hard(
        {
            "train.py": f"""{HEAD}
from parts.net import Net
from parts.data import x, y
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
{CLEARED}
""",
            "parts/__init__.py": "",
            "parts/data.py": f"import torch\n{DATA}",
            "parts/net.py": f"""{HEAD}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(8, 32)
        self.out = nn.Linear(32, 2)

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        return torch.softmax(self.out(h), dim=1)
""",
        },
        edit="output-activation",
        file="parts/net.py",
        line="+        return self.out(h)",
    ),
    "torch.compile": Hard(
        {
            "train.py": f"""{HEAD}
{DATA}
model = torch.compile({SOFTMAX}, backend="eager")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
{SIX}
"""
        },
        edit="output-activation",
        line=f'+model = torch.compile({PLAIN}, backend="eager")',
    ),
    "a loss by hand": Hard(
        {"train.py": f"{HEAD}{DATA}{BY_HAND}{CLEARED}{PRINTED}"},
        edit="learning-rate",
        line="+optimizer = torch.optim.SGD(model.parameters(), lr=",
    ),
    "a loss by hand, and nothing printed": Hard(
        {"train.py": f"{HEAD}{DATA}{BY_HAND}{CLEARED}"},
        edit="learning-rate",
        line="+optimizer = torch.optim.SGD(model.parameters(), lr=",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_hard_scripts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hard = HARD[name]
    project = tmp_path / "project"
    for file, text in hard.files.items():
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text(dedent(text))
    monkeypatch.chdir(project)
    found: Fix = fix(Target("path", "train.py"), hard.args)
    assert {p.relative_to(project).as_posix() for p in project.rglob("*") if p.is_file()} == set(
        hard.files
    )
    for file, text in hard.files.items():
        assert (project / file).read_text() == dedent(text)
    if not hard.edit:
        assert not found.accepted
        assert found.patch == ""
        assert hard.why in found.why
        return
    assert found.accepted, (found.why, found.refusals, found.diagnosis.alarms)
    assert found.confirmed
    assert found.trials[0].edits[0].startswith(hard.edit)
    assert set(found.texts) == {hard.file}
    assert any(line.startswith(hard.line) for line in found.patch.splitlines()), found.patch
    for kept in hard.kept:
        assert kept in found.texts[hard.file][1]
