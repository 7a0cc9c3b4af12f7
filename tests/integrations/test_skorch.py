"""Penlight in skorch: finding, silence, recorded values, unchanged results."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("skorch", reason="not installed: pip install 'penlight[skorch]'")
import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from torch import nn

from penlight.integrations.skorch import PenlightCallback

pytestmark = pytest.mark.filterwarnings("ignore")


def fit(task: Any, broken: bool, *callbacks: Any) -> tuple[Any, str]:
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        task.network(broken),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        batch_size=task.batch,
        max_epochs=10,
        iterator_train__shuffle=True,
        callbacks=list(callbacks),
        verbose=0,
    )
    x, y = task.points(0)
    net.fit(x.numpy(), y.numpy())
    return net, task.fingerprint(net.module_)


def test_finds_the_fault_and_records_it(task: Any) -> None:
    said: list[str] = []
    callback = PenlightCallback(sink=said.append)
    net, _ = fit(task, True, callback)
    assert task.alarms(callback.diagnosis) == ["double-softmax"]
    assert "double-softmax (critical" in said[0]
    assert len(said) == 1
    assert all(0 < x < 10 for x in net.history[:, "penlight_light"])
    assert all(0 < x < 1 for x in net.history[:, "penlight_update_ratio"])


def test_is_silent_on_a_sound_model_and_changes_nothing(task: Any) -> None:
    said: list[str] = []
    callback = PenlightCallback(sink=said.append)
    bare, weights = fit(task, False)
    watched, same = fit(task, False, callback)
    assert task.alarms(callback.diagnosis) == []
    assert said == []  # verbose=0
    assert same == weights
    for name in ("train_loss", "valid_loss", "valid_acc"):
        assert watched.history[:, name] == bare.history[:, name]


def test_copies_and_pickles_like_any_callback(task: Any) -> None:
    callback = PenlightCallback(sink=str)
    net, _ = fit(task, True, callback)
    assert clone(net).callbacks[0].get_params() == callback.get_params()
    again = pickle.loads(pickle.dumps(net))  # noqa: S301  # our own bytes
    assert again.callbacks[0].diagnosis == callback.diagnosis


def test_the_example_finds_the_same_by_itself_and_under_penlight_run(
    task: Any, process: Any
) -> None:
    script = task.examples / "skorch_callback.py"
    alone = process.python(script)
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.count("double-softmax (critical") == 1

    plain = script.read_text().replace("callbacks=[PenlightCallback()],", "")
    plain = plain.replace("from penlight.integrations.skorch import PenlightCallback", "")
    (process.folder / "plain.py").write_text(plain)
    watched = process.penlight("run", "plain.py")
    assert watched.stderr.count("double-softmax (critical") == 1
    assert watched.stdout.splitlines()[-1] == alone.stdout.splitlines()[-1]
