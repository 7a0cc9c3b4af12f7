"""A task that a small network learns in a second, and a network that spoils it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import penlight

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

SOURCE = Path(penlight.__file__).parents[1]


class Task:
    """Three classes of points, and what the tests ask of a training on them."""

    classes, rows, batch = 3, 480, 24
    examples = Path(__file__).parents[2] / "examples" / "integrations"

    def points(self, seed: int, rows: int = rows) -> tuple[Tensor, Tensor]:
        """Around a centre for each class, standardised."""
        random = torch.Generator().manual_seed(seed)
        y = torch.randint(self.classes, (rows,), generator=random)
        angle = 2 * torch.pi * y / self.classes
        x = torch.stack([angle.cos(), angle.sin()], 1)
        x = x + 0.4 * torch.randn(rows, 2, generator=random)
        return (x - x.mean(0)) / x.std(0), y

    def loaders(self) -> tuple[DataLoader[Any], DataLoader[Any]]:
        train, valid = TensorDataset(*self.points(0)), TensorDataset(*self.points(1, 120))
        return DataLoader(train, self.batch, shuffle=True), DataLoader(valid, 60)

    def network(self, broken: bool) -> nn.Sequential:
        """Sound, or with a softmax in front of the cross-entropy."""
        torch.manual_seed(0)
        head = (nn.Softmax(1),) if broken else ()
        return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, self.classes), *head)

    def fingerprint(self, model: nn.Module) -> str:
        """Of all weights and buffers, and of the next random number."""
        digest = hashlib.blake2s()
        for value in [*model.state_dict().values(), torch.rand(1)]:
            digest.update(value.detach().cpu().numpy().tobytes())
        return digest.hexdigest()

    def alarms(self, diagnosis: penlight.Diagnosis | None) -> list[str]:
        assert diagnosis is not None
        assert diagnosis.faults == ()
        return [x.pitfall for x in diagnosis.alarms]


class Process:
    """Python in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PENLIGHT_")}
        self.env |= {"PYTHONPATH": str(SOURCE), "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}

    def python(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def penlight(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "penlight", *words)


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)
