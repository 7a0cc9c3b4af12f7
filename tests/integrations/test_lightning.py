"""Penlight in Lightning: finding, silence, logged values, unchanged results."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
L = pytest.importorskip("lightning", reason="not installed: pip install 'penlight[lightning]'")
import torch  # noqa: E402  # after the check that it is there
from lightning.pytorch.loggers import CSVLogger  # noqa: E402
from lightning.pytorch.loggers.logger import DummyLogger  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import penlight  # noqa: E402
from penlight.integrations.lightning import PenlightCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers and the like


class Classifier(L.LightningModule):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: Any) -> torch.Tensor:
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any) -> None:
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.01)


def fit(task: Any, broken: bool, *callbacks: Any, **more: Any) -> tuple[L.Trainer, str]:
    model = Classifier(task.network(broken))
    more.setdefault("logger", False)
    trainer = L.Trainer(
        max_epochs=8,
        accelerator="cpu",
        log_every_n_steps=10,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **more,
    )
    trainer.fit(model, *task.loaders())
    return trainer, task.fingerprint(model)


def test_finds_the_fault_and_logs_it(task: Any, tmp_path: Path, caplog: Any) -> None:
    callback = PenlightCallback()
    package = logging.getLogger("lightning.pytorch")
    package.addHandler(caplog.handler)
    fit(task, True, callback, logger=CSVLogger(tmp_path, "", ""))
    package.removeHandler(caplog.handler)

    assert task.alarms(callback.diagnosis) == ["double-softmax"]
    assert "double-softmax (critical" in caplog.text
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    light = [float(r["penlight/light"]) for r in rows if r["penlight/light"]]
    assert len(light) >= 8
    assert all(0 < x < 10 for x in light)
    assert [r["penlight/findings"] for r in rows if r["penlight/findings"]] == ["1.0"]
    layers = [key for key in rows[0] if key.startswith("penlight_layers/update_ratio/")]
    assert len(layers) == 4
    assert any(row[layers[0]] for row in rows)


def test_is_silent_on_a_sound_model_and_changes_nothing(task: Any) -> None:
    callback = PenlightCallback()
    bare = fit(task, False)
    watched = fit(task, False, callback)
    assert task.alarms(callback.diagnosis) == []
    assert watched[1] == bare[1]
    assert watched[0].callback_metrics == bare[0].callback_metrics


def test_accumulation_and_half_precision_are_understood(task: Any) -> None:
    callback = PenlightCallback()
    more = {"accumulate_grad_batches": 2, "precision": "bf16-mixed", "gradient_clip_val": 1.0}
    bare = fit(task, False, **more)
    watched = fit(task, False, callback, **more)
    assert task.alarms(callback.diagnosis) == []
    assert watched[1] == bare[1]
    assert callback.diagnosis.meta["steps"] == 80


def test_an_error_of_the_training_is_the_users_and_the_diagnosis_is_there(task: Any) -> None:
    class Failing(Classifier):
        def on_train_epoch_end(self) -> None:
            if self.current_epoch == 1:
                raise RuntimeError("the disk is full")

    callback = PenlightCallback()
    trainer = L.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, callbacks=[callback],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="disk is full"):
        trainer.fit(Failing(task.network(True)), *task.loaders())
    assert task.alarms(callback.diagnosis) == ["double-softmax"]


def test_a_logger_that_fails_costs_its_values_and_nothing_else(task: Any, caplog: Any) -> None:
    class Fussy(DummyLogger):
        def log_metrics(self, metrics: Any, step: Any = None) -> None:
            if any(name.startswith("penlight") for name in metrics):
                raise ValueError("no slash in a name")

    callback = PenlightCallback()
    _, bare = fit(task, True)
    _, watched = fit(task, True, callback, logger=Fussy())
    assert watched == bare
    assert task.alarms(callback.diagnosis) == ["double-softmax"]
    assert caplog.text.count("no slash in a name") == 1


def test_who_watches_already_gives_the_report(task: Any, caplog: Any) -> None:
    callback = PenlightCallback()
    with penlight.watch() as seen:
        fit(task, True, callback)
    assert task.alarms(callback.diagnosis) == task.alarms(seen.diagnose()) == ["double-softmax"]
    assert "double-softmax" not in caplog.text


def test_the_older_package_is_served_as_well(task: Any, process: Any) -> None:
    script = task.examples / "lightning_callback.py"
    text = script.read_text().replace("import lightning as L", "import pytorch_lightning as L")
    text = text.replace("lightning.pytorch", "pytorch_lightning")
    (process.folder / "older.py").write_text(text)
    done = process.python("older.py")
    assert done.returncode == 0, done.stderr
    assert "double-softmax (critical" in done.stderr


def test_the_example_finds_the_same_by_itself_and_under_penlight_run(
    task: Any, process: Any
) -> None:
    script = task.examples / "lightning_callback.py"
    alone = process.python(script)
    assert alone.returncode == 0, alone.stderr
    assert alone.stderr.count("double-softmax (critical") == 1

    plain = script.read_text().replace("callbacks=[PenlightCallback()],", "")
    plain = plain.replace("from penlight.integrations.lightning import PenlightCallback", "")
    (process.folder / "plain.py").write_text(plain)
    watched = process.penlight("run", "plain.py")
    assert watched.stderr.count("double-softmax (critical") == 1
    assert watched.stdout == alone.stdout
