"""`penlight import`: histories of other tools, read by the standard library alone."""

from __future__ import annotations

import csv
import json
import math
import random
import time
from pathlib import Path
from typing import Any

import pytest

from penlight.cli.import_ import command
from penlight.errors import PenlightError
from penlight.integrations.histories import History, read
from penlight.integrations.importing import keep, roles
from penlight.store.reader import load

Curve = list[tuple[float, float]]


def curves(overfit: bool = False, epochs: int = 40) -> Curve:
    """Training and validation loss of each epoch."""
    chance = random.Random(0)
    noise = [0.02 * chance.random() for _ in range(2 * epochs)]
    return [
        (
            2.3 * 0.9**e + noise[e],
            0.6 + 1.7 * 0.75**e + (0.04 * max(0, e - 8) if overfit else 0) + noise[epochs + e],
        )
        for e in range(epochs)
    ]


def table(path: Path, rows: Curve, **more: float) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "train_loss", "val_loss", "comment", *more])
        writer.writerows([e, *row, "fine", *more.values()] for e, row in enumerate(rows))
    return path


def imported(path: Path, capsys: Any, *words: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        command.main([str(path), "--json", "--dir", str(path.parent / "runs"), *words])
    assert ended.value.code == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["faults"] == []
    return found


def alarms(found: dict[str, Any]) -> list[str]:
    return [x["pitfall"] for x in found["findings"] if x["severity"] != "note"]


class TestTable:
    def test_overfitting_shows_in_two_curves(self, tmp_path: Path, capsys: Any) -> None:
        found = imported(table(tmp_path / "log.csv", curves(overfit=True)), capsys)
        assert alarms(found) == ["overfitting"]
        assert next((tmp_path / "runs").glob("*/diagnosis.json")).is_file()
        assert found["findings"][0]["first_step"] in range(6, 14)

    def test_a_sound_history_is_silent_and_tells_what_it_cannot(
        self, tmp_path: Path, capsys: Any
    ) -> None:
        found = imported(table(tmp_path / "log.csv", curves()), capsys)
        assert found["findings"] == []
        blind = " ".join(found["blind"])
        for word in ("layers", "graph", "data", "learning rate", "gradients"):
            assert word in blind

    def test_a_validation_loss_that_wobbles_or_rises_a_little_is_no_overfitting(
        self, tmp_path: Path, capsys: Any
    ) -> None:
        chance = random.Random(1)
        rows = [(a, 1 + 0.15 * chance.random()) for a, _ in curves()]
        assert imported(table(tmp_path / "a.csv", rows), capsys)["findings"] == []
        rows = [(a, 1 + 0.004 * e) for e, (a, _) in enumerate(curves())]
        assert imported(table(tmp_path / "b.csv", rows), capsys)["findings"] == []

    def test_a_loss_that_became_nan(self, tmp_path: Path, capsys: Any) -> None:
        rows = [(math.nan if e > 30 else a, b) for e, (a, b) in enumerate(curves())]
        found = imported(table(tmp_path / "log.csv", rows), capsys)
        assert alarms(found) == ["nonfinite-loss"]
        assert found["findings"][0]["first_step"] == 31

    def test_rates_and_gradients_are_kept(self, tmp_path: Path) -> None:
        more = {"lr": 0.01, "grad_2.0_norm/net.0.weight": 0.5, "grad_norm": 0.7}
        history = read(table(tmp_path / "log.csv", curves(), **more))
        found = roles(history)
        assert found.gradients == {"net.0.weight": "grad_2.0_norm/net.0.weight", "all": "grad_norm"}
        assert found.lr == "lr"
        assert found.unused == ("comment",)
        folder = tmp_path / "run"
        folder.mkdir()
        keep(history, found, folder)
        run = load(folder)
        assert run.sites("grad_norm") == ["net.0.weight", "all"]
        assert run.steps == 40
        assert run.header.mode == "import"

    def test_what_guessing_costs_can_be_told(self, tmp_path: Path, capsys: Any) -> None:
        stuck = [(2.3 - 0.004 * e, 2.3) for e in range(60)]
        path = table(tmp_path / "log.csv", stuck, lr=0.01)
        rates = path.read_text().replace(",0.01", ",1e-12")
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head, *rows[:14], *rates.splitlines()[15:]]) + "\n")
        assert alarms(imported(path, capsys)) == []
        assert "lr-schedule-exhausted" in alarms(imported(path, capsys, "--classes", "10"))

    def test_a_table_without_a_loss_says_what_it_has(self, tmp_path: Path) -> None:
        path = tmp_path / "log.csv"
        path.write_text("epoch;cost;time\n0;2.0;1\n1;1.5;2\n")
        with pytest.raises(PenlightError, match=r"has 'cost', 'time'.*--loss NAME"):
            roles(read(path))
        assert roles(read(path), "cost").loss == "cost"
        path.write_text("1,2\n3,4\n")
        with pytest.raises(PenlightError, match="should name the columns"):
            read(path)


class TestTensorBoard:
    def test_scalars_of_torchs_writer(self, tmp_path: Path, capsys: Any) -> None:
        pytest.importorskip("torch")
        boards = pytest.importorskip("tensorboard") and pytest.importorskip(
            "torch.utils.tensorboard"
        )
        with boards.SummaryWriter(str(tmp_path / "logs")) as writer:
            writer.add_text("notes", "hello")
            for epoch, (train, valid) in enumerate(curves(overfit=True)):
                writer.add_scalar("Loss/train", train, epoch)
                writer.add_scalar("Loss/valid", valid, epoch)
                writer.add_scalar("lr", 0.01, epoch, new_style=True)
        history = read(tmp_path / "logs")
        assert history.kind == "TensorBoard"
        assert len(history.values["Loss/train"]) == 40
        assert history.values["lr"][7] == pytest.approx(0.01)
        assert "notes/text_summary" in history.other
        assert alarms(imported(tmp_path / "logs", capsys)) == ["overfitting"]

    def test_a_torn_or_foreign_file_costs_only_its_end(self, tmp_path: Path) -> None:
        boards = pytest.importorskip("torch.utils.tensorboard")
        with boards.SummaryWriter(str(tmp_path / "logs")) as writer:
            for step in range(50):
                writer.add_scalar("loss", 1.0, step)
        file = next((tmp_path / "logs").iterdir())
        whole = file.read_bytes()
        file.write_bytes(whole[:-10])
        assert len(read(file).values["loss"]) == 49
        chance = random.Random(0)
        for _ in range(300):
            torn = bytearray(whole)
            for _ in range(8):
                torn[chance.randrange(len(torn))] = chance.randrange(256)
            file.write_bytes(bytes(torn[: chance.randrange(len(torn))]))
            read(file)


class TestWandB:
    def test_rows_of_an_offline_run(self, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
        wandb = pytest.importorskip("wandb", reason="not installed: pip install 'penlight[wandb]'")
        monkeypatch.setenv("WANDB_SILENT", "true")
        run = wandb.init(mode="offline", dir=str(tmp_path), project="penlight")
        for train, valid in curves(overfit=True, epochs=60):
            run.log({"train": {"loss": train}, "val_loss": valid, "name": "x" * 2000})
        run.log({"train": {"loss": math.nan}})
        run.finish()
        folder = next((tmp_path / "wandb").glob("offline-run-*"))
        for _ in range(100):  # its own process may still be writing
            history = read(folder)
            if len(history.values.get("train/loss", ())) == 61:
                break
            time.sleep(0.1)
        assert history.kind == "W&B"
        assert len(history.values["train/loss"]) == 61
        assert math.isnan(history.values["train/loss"][60])
        assert history.values["val_loss"][3] == pytest.approx(curves(True, 60)[3][1])
        assert alarms(imported(folder, capsys)) == ["nonfinite-loss", "overfitting"]


def test_a_place_without_a_history_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PenlightError, match="There is no"):
        read(tmp_path / "nothing")
    with pytest.raises(PenlightError, match=r"CSV files .* TensorBoard .* W&B"):
        read(tmp_path)


def test_names_tell_training_from_held_out() -> None:
    names = ["epoch_loss", "eval/loss", "train/loss", "test_accuracy", "train/grad_norm", "lr-Adam"]
    history = History("CSV", Path("x"), {name: {0: 1.0} for name in names})
    found = roles(history)
    assert found.loss in ("epoch_loss", "train/loss")
    assert found.held_out == "eval/loss"
    assert found.accuracy == "test_accuracy"
    assert found.lr == "lr-Adam"
    assert found.gradients == {"all": "train/grad_norm"}
