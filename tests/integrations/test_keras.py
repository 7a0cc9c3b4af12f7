"""Penlight in Keras 3 on torch: finding, silence, logged values, unchanged results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
with pytest.MonkeyPatch.context() as environment:
    environment.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="not installed: pip install 'penlight[keras]'")
import numpy as np  # after the check that keras is there

from penlight.errors import PenlightError
from penlight.integrations.keras import PenlightCallback

pytestmark = pytest.mark.filterwarnings("ignore")


def fit(task: Any, broken: bool, *callbacks: Any) -> tuple[Any, list[Any]]:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=broken),
        metrics=["accuracy"],
    )
    (x, y), (valid_x, valid_y) = task.points(0), task.points(1, 120)
    history = model.fit(
        x.numpy(), y.numpy(), task.batch, 8, verbose=0, callbacks=list(callbacks),
        validation_data=(valid_x.numpy(), valid_y.numpy()),
    )  # fmt: skip
    return history.history, model.get_weights()


def test_finds_the_fault_and_logs_it(task: Any, tmp_path: Path, capsys: Any) -> None:
    callback = PenlightCallback()
    table = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    history, _ = fit(task, True, callback, table)
    assert task.alarms(callback.diagnosis) == ["double-softmax"]
    assert "double-softmax (critical" in capsys.readouterr().out
    updates = history["penlight/update_ratio"]
    assert len(updates) == 8
    assert all(0 < x < 1 for x in updates)
    assert len(history["penlight/light"]) == 8
    assert "penlight/update_ratio" in (tmp_path / "log.csv").read_text()


def test_is_silent_on_a_sound_model_and_changes_nothing(task: Any) -> None:
    callback = PenlightCallback()
    bare, weights = fit(task, False)
    watched, same = fit(task, False, callback)
    assert task.alarms(callback.diagnosis) == []
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))
    assert {k: v for k, v in watched.items() if not k.startswith("penlight")} == bare


def test_an_evaluation_that_only_keras_knows_of_shows_overfitting(task: Any) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((16,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.01), keras.losses.LogCosh())
    random = np.random.default_rng(0)
    x, y = random.normal(size=(160, 16)), random.normal(size=160)
    callback = PenlightCallback()
    model.fit(
        x[:80], y[:80], 20, 40, verbose=0, callbacks=[callback], validation_data=(x[80:], y[80:])
    )
    assert task.alarms(callback.diagnosis) == ["overfitting"]


def test_the_example_finds_the_same_by_itself_and_under_penlight_run(
    task: Any, process: Any
) -> None:
    script = task.examples / "keras_callback.py"
    alone = process.python(script)
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.count("double-softmax (critical") == 1

    plain = script.read_text().replace("callbacks=[PenlightCallback()],", "")
    plain = plain.replace("from penlight.integrations.keras import PenlightCallback", "")
    (process.folder / "plain.py").write_text(plain)
    watched = process.penlight("run", "plain.py")
    assert watched.stderr.count("double-softmax (critical") == 1
    assert watched.stdout.splitlines()[-1] == alone.stdout.splitlines()[-1]


def test_another_backend_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(PenlightError, match=r'on jax here.*"KERAS_BACKEND"\] = "torch"'):
        PenlightCallback()
