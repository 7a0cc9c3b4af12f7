"""Penlight in Hugging Face's Trainer: finding, silence, logged values, unchanged results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers", reason="not installed: pip install 'penlight[transformers]'")
import torch  # after the check that it is there
from torch import nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments

from penlight.integrations.transformers import PenlightCallback

pytestmark = pytest.mark.filterwarnings("ignore")


class Classifier(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.net(x)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[place], "labels": self.y[place]}


def train(task: Any, folder: Path, broken: bool, *callbacks: Any, **more: Any) -> Any:
    model = Classifier(task.network(broken))
    settings = TrainingArguments(
        **{
            "output_dir": str(folder),
            "num_train_epochs": 8,
            "per_device_train_batch_size": task.batch,
            "learning_rate": 0.01,
            "logging_steps": 10,
            "eval_strategy": "epoch",
            "save_strategy": "no",
            "report_to": [],
            "use_cpu": True,
            "disable_tqdm": True,
            **more,
        }
    )
    trainer = Trainer(
        model,
        settings,
        train_dataset=Rows(*task.points(0)),
        eval_dataset=Rows(*task.points(1, 120)),
        callbacks=list(callbacks),
    )
    trainer.train()
    return trainer, task.fingerprint(model)


def curves(trainer: Any) -> list[dict[str, float]]:
    """The log history but for times and for what Penlight adds."""
    untimed = [
        {k: v for k, v in row.items() if not k.endswith(("_runtime", "_per_second"))}
        for row in trainer.state.log_history
    ]
    return [row for row in untimed if not any(k.startswith("penlight/") for k in row)]


def test_finds_the_fault_and_logs_it(task: Any, tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    from penlight.integrations.histories import read

    callback = PenlightCallback()
    with SummaryWriter(str(tmp_path / "board")) as writer:
        board = TensorBoardCallback(writer)
        trainer, _ = train(task, tmp_path, True, board, callback)

    assert task.alarms(callback.diagnosis) == ["double-softmax"]
    history = trainer.state.log_history
    light = [row["penlight/light"] for row in history if "penlight/light" in row]
    assert len(light) >= 8
    assert [r["penlight/findings"] for r in history if "penlight/findings" in r] == [1.0]
    written = read(tmp_path / "board").values
    assert list(written["penlight/light"].values()) == pytest.approx(light)
    assert list(written["penlight/findings"].values()) == [1.0]
    assert "train/loss" in written


@pytest.mark.parametrize("more", [{}, {"gradient_accumulation_steps": 2, "bf16": True}])
def test_is_silent_on_a_sound_model_and_changes_nothing(
    task: Any, tmp_path: Path, more: dict[str, Any]
) -> None:
    callback = PenlightCallback()
    bare, print_ = train(task, tmp_path, False, **more)
    watched, print_again = train(task, tmp_path, False, callback, **more)
    assert task.alarms(callback.diagnosis) == []
    assert print_again == print_
    assert curves(watched) == curves(bare)


def test_the_example_finds_the_same_by_itself_and_under_penlight_run(
    task: Any, process: Any
) -> None:
    script = task.examples / "transformers_callback.py"
    alone = process.python(script)
    assert alone.returncode == 0, alone.stderr
    assert alone.stderr.count("double-softmax (critical") == 1

    plain = script.read_text().replace("callbacks=[PenlightCallback()],", "")
    plain = plain.replace("from penlight.integrations.transformers import PenlightCallback", "")
    (process.folder / "plain.py").write_text(plain)
    watched = process.penlight("run", "plain.py")
    assert watched.stderr.count("double-softmax (critical") == 1
    assert watched.stdout.splitlines()[-1] == alone.stdout.splitlines()[-1]


def test_a_loop_around_accelerate_is_seen_as_it_is(task: Any, process: Any) -> None:
    script = task.examples / "accelerate_loop.py"
    broken = process.penlight("run", script)
    assert broken.returncode == 0, broken.stderr
    assert "double-softmax (critical" in broken.stderr
    sound = process.penlight("run", "--", sys.executable, script, "sound")
    assert "found nothing wrong" in sound.stderr
