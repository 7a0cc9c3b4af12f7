"""Penlight in Ignite: finding, silence, logged values, unchanged results."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("ignite", reason="not installed: pip install 'penlight[ignite]'")
import torch
from ignite.engine import Engine, Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import TensorboardLogger
from ignite.metrics import Accuracy, Loss
from torch.nn import functional as F

from penlight.integrations.histories import read
from penlight.integrations.ignite import PenlightHandler

pytestmark = pytest.mark.filterwarnings("ignore")


def fit(task: Any, broken: bool, *handlers: Any) -> tuple[list[Any], str]:
    model = task.network(broken)
    train, valid = task.loaders()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    trainer = create_supervised_trainer(model, optimizer, F.cross_entropy)
    metrics = {"accuracy": Accuracy(), "loss": Loss(F.cross_entropy)}
    evaluator = create_supervised_evaluator(model, metrics=metrics)
    seen: list[Any] = []
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED,
        lambda engine: seen.append((engine.state.output, dict(evaluator.run(valid).metrics))),
    )
    for handler in handlers:
        handler.attach(trainer)
    trainer.run(train, max_epochs=8)
    return seen, task.fingerprint(model)


class Board:
    """Ignite's TensorBoard logger for all metrics of a trainer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def attach(self, trainer: Engine) -> None:
        self.logger = TensorboardLogger(log_dir=str(self.folder))
        event = Events.ITERATION_COMPLETED(every=10)
        self.logger.attach_output_handler(trainer, event, "training", metric_names="all")


def test_finds_the_fault_and_logs_it(task: Any, tmp_path: Path, caplog: Any) -> None:
    handler, board = PenlightHandler(), Board(tmp_path)
    fit(task, True, handler, board)
    board.logger.close()
    assert task.alarms(handler.diagnosis) == ["double-softmax"]
    assert "double-softmax (critical" in caplog.text
    written = read(tmp_path).values
    assert len(written["training/penlight/light"]) >= 8
    assert list(written["penlight/findings"].values()) == [1.0]


def test_is_silent_on_a_sound_model_and_changes_nothing(task: Any, caplog: Any) -> None:
    handler = PenlightHandler()
    bare, weights = fit(task, False)
    watched, same = fit(task, False, handler)
    assert task.alarms(handler.diagnosis) == []
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert watched == bare
    assert same == weights


def test_an_error_of_the_training_is_the_users_and_the_diagnosis_is_there(task: Any) -> None:
    class Failing:
        def attach(self, trainer: Engine) -> None:
            trainer.add_event_handler(Events.EPOCH_COMPLETED(once=3), self.fail)

        def fail(self) -> None:
            raise RuntimeError("the disk is full")

    handler = PenlightHandler()
    with pytest.raises(RuntimeError, match="disk is full"):
        fit(task, True, handler, Failing())
    assert task.alarms(handler.diagnosis) == ["double-softmax"]

    another = PenlightHandler()  # takes over from the one that never ended
    fit(task, False, another)
    assert task.alarms(another.diagnosis) == []


def test_the_example_finds_the_same_by_itself_and_under_penlight_run(
    task: Any, process: Any
) -> None:
    script = task.examples / "ignite_handler.py"
    alone = process.python(script)
    assert alone.returncode == 0, alone.stderr
    assert alone.stderr.count("double-softmax (critical") == 1

    plain = script.read_text().replace("PenlightHandler().attach(trainer)", "")
    plain = plain.replace("from penlight.integrations.ignite import PenlightHandler", "")
    (process.folder / "plain.py").write_text(plain)
    watched = process.penlight("run", "plain.py")
    assert watched.stderr.count("double-softmax (critical") == 1
    assert watched.stdout == alone.stdout
