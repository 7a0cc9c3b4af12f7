"""Edits of a Keras model and its fit()."""

from __future__ import annotations

from pathlib import Path

import pytest

from penlight.edits import Refused, parse
from penlight.edits.scene import Scene
from penlight.edits.source import Project
from penlight.lab import record

with pytest.MonkeyPatch.context() as environment:
    environment.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras")
SCRIPT = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from keras import layers
from keras.optimizers import Adam

x = np.random.default_rng(0).normal(5, 30, (60, 4)).astype("float32")
y = (x[:, 0] > 5).astype("float32")
x_train, x_test, y_train, y_test = x[:40], x[40:], y[:40], y[40:]
model = keras.Sequential([
    layers.Dense(8, activation="sigmoid", kernel_initializer="zeros"),
    layers.Dropout(0.9),
    layers.Dense(1, activation="sigmoid"),
])
model.compile(loss="binary_crossentropy", optimizer=Adam(1e-3))
model.fit(x_train, y_train, epochs=1, validation_data=(x_test, y_test), verbose=0)
"""
ADDED = """mean, std = x_train.mean(0), x_train.std(0)
x_train, x_test = (x_train - mean) / std, (x_test - mean) / std
model.fit("""
STOP = ", callbacks=[keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)])"
EDITS = {
    "learning-rate=0.01": {"Adam(1e-3)": "Adam(0.01)"},
    "swap-optimizer=RMSprop,0.01": {
        "Adam(1e-3)": "RMSprop(learning_rate=0.01)",
        "import Adam": "import Adam, RMSprop",
    },
    "betas=0.95": {"Adam(1e-3)": "Adam(1e-3, beta_2=0.95)"},
    "epsilon=0.1": {"Adam(1e-3)": "Adam(1e-3, epsilon=0.1)"},
    "clip-gradients=1": {"Adam(1e-3)": "Adam(1e-3, clipnorm=1.0)"},
    "weight-decay=0.1": {"Adam(1e-3)": "Adam(1e-3, weight_decay=0.1)"},
    "swap-activation=ReLU": {'(8, activation="sigmoid"': '(8, activation="relu"'},
    "initialise=he": {'kernel_initializer="zeros"': 'kernel_initializer="he_normal"'},
    "dropout=0.2": {"Dropout(0.9)": "Dropout(0.2)"},
    "more-epochs=2": {"epochs=1": "epochs=2"},
    "batch-size=16": {"verbose=0)": "verbose=0, batch_size=16)"},
    "early-stopping=5": {", verbose=0)": f", verbose=0{STOP}"},
    "standardise-inputs": {"model.fit(": ADDED},
}


@pytest.mark.slow
def test_keras_scripts_are_edited_and_run(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    recorded = record(path)
    assert recorded.exit_code == 0, recorded.printed
    scene = Scene(Project(tmp_path, "train.py"), recorded.run)
    wanted = SCRIPT
    for edit, pairs in EDITS.items():
        text = SCRIPT
        for old, new in pairs.items():
            assert text.count(old) == 1
            text = text.replace(old, new)
            if "Adam" not in old and "verbose" not in old:
                wanted = wanted.replace(old, new)
        assert scene.after([parse(edit)]).project.text("train.py") == text, edit
    path.write_text(wanted)
    again = record(path)
    assert again.exit_code == 0, again.printed
    assert abs(again.run.inputs[0].mean) < 0.3
    assert again.run.steps == 2 * recorded.run.steps


@pytest.mark.slow
@pytest.mark.parametrize("given", [', optimizer="sgd"', ""])
def test_an_optimiser_that_goes_by_its_name(tmp_path: Path, given: str) -> None:
    path, before = tmp_path / "train.py", ", optimizer=Adam(1e-3)"
    path.write_text(SCRIPT.replace(before, given))
    recorded = record(path)
    scene, kind = (
        Scene(Project(tmp_path, "train.py"), recorded.run),
        recorded.run.optimizers[0].type,
    )
    assert kind == ("SGD" if given else "RMSprop")
    for edit, settings in {
        "learning-rate=0.003": f"{kind}(learning_rate=0.003)",
        "clip-gradients=1": f"{kind}(clipnorm=1.0)",
        "swap-optimizer=Adam,0.003": "Adam(learning_rate=0.003)",
    }.items():
        text = scene.after([parse(edit)]).project.text("train.py")
        assert text == SCRIPT.replace(before, f", optimizer=keras.optimizers.{settings}"), edit
    both = scene.after([parse("swap-optimizer=Adam,0.01"), parse("learning-rate=0.003")])
    path.write_text(both.project.text("train.py"))
    again = record(path)
    assert again.exit_code == 0, again.printed
    (made,) = again.run.optimizers
    assert (made.type, round(made.lr, 6)) == ("Adam", 0.003)


OBJECTIVES = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from keras.layers import Activation, Dense, Input

x = np.random.default_rng(0).normal(0, 1, (40, 4)).astype("float32")
y = {labels}
model = keras.Sequential([Input((4,)), Dense(8, activation="relu"), {head}])
model.compile(optimizer="sgd", loss={loss}, metrics=["{metric}"])
model.fit(x, y, epochs=1, verbose=0)
"""
TWO, THREE, HOT = "np.arange(40) % 2", "np.arange(40) % 3", "np.eye(3)[np.arange(40) % 3]"
CCE = '"categorical_crossentropy"'
LOGITS = "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
# edit: labels, last layer, loss, metric; the same after it
LOSSES = {
    ("loss=binary_cross_entropy", TWO, 'Dense(1, activation="sigmoid")', '"mse"', "acc"): (
        'Dense(1, activation="sigmoid")', '"binary_crossentropy"', "acc"),
    ("loss=binary_cross_entropy_with_logits", TWO, "Dense(1)", '"mse"', "binary_accuracy"): (
        'Dense(1, activation="sigmoid")', '"binary_crossentropy"', "accuracy"),
    ("loss=cross_entropy", HOT, 'Dense(3, "softmax")', '"mse"', "accuracy"): (
        'Dense(3, "softmax")', '"categorical_crossentropy"', "accuracy"),
    ("loss=cross_entropy", HOT, 'Dense(3), Activation("relu")', '"mae"', "categorical_accuracy"): (
        'Dense(3), Activation("softmax")', '"categorical_crossentropy"', "accuracy"),
    ("loss=cross_entropy", THREE, "Dense(3)", '"sparse_categorical_crossentropy"', "acc"): (
        "Dense(3)", LOGITS, "acc"),
    ("loss=binary_cross_entropy_with_logits", HOT, 'Dense(3, activation="softmax")', CCE, "acc"): (
        'Dense(3, activation="sigmoid")', '"binary_crossentropy"', "acc"),
    ("loss=mse_loss", TWO, 'Dense(1, activation="sigmoid")', '"binary_crossentropy"', "accuracy"): (
        'Dense(1, activation="linear")', '"mse"', "mae"),
    ("output-activation=softmax", THREE, "Dense(3)", '"sparse_categorical_crossentropy"', "acc"): (
        "Dense(3, activation=\"softmax\")", '"sparse_categorical_crossentropy"', "acc"),
    ("output-units=3", THREE, 'Dense(1, activation="sigmoid")', '"mse"', "accuracy"): (
        'Dense(3, activation="softmax")', '"sparse_categorical_crossentropy"', "accuracy"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("before", LOSSES, ids=lambda b: f"{b[0]} {b[2]} {b[3]}")
def test_the_objective_of_keras(tmp_path: Path, before: tuple[str, ...]) -> None:
    edit, labels, head, loss, metric = before
    path = tmp_path / "train.py"
    path.write_text(OBJECTIVES.format(labels=labels, head=head, loss=loss, metric=metric))
    recorded = record(path)
    assert recorded.exit_code == 0, recorded.printed
    edited = Scene(Project(tmp_path, "train.py"), recorded.run).after([parse(edit)])
    head, loss, metric = LOSSES[before]  # type: ignore[index]
    wanted = OBJECTIVES.format(labels=labels, head=head, loss=loss, metric=metric)
    assert edited.project.text("train.py") == wanted
    path.write_text(wanted)
    again = record(path)
    assert again.exit_code == 0, again.printed
    with pytest.raises(Refused, match="already"):
        Scene(Project(tmp_path, "train.py"), again.run).after([parse(edit)])


PRICES = """
import os
import warnings
os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np

warnings.simplefilter("ignore")  # Keras turns tensors into arrays in a way that numpy 2 dislikes
x = np.random.default_rng(0).normal(0, 1, (60, 4)).astype("float32")
y = 3e5 + 1e5 * x[:, 0]
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
model.compile(loss="mse", optimizer="adam")
{before}model.fit(x[:40], {y}, validation_data=(x[40:], {held}), epochs=1, verbose=0)
print(model.evaluate(x[40:], {held}, verbose=0))
price = {asked}[:, 0]
"""
PLAIN = {"before": "", "y": "y[:40]", "held": "y[40:]", "asked": "model.predict(x[40:], verbose=0)"}
SCALED = {
    "before": "mean, std = y[:40].mean(), y[:40].std()\n",
    "y": "(y[:40] - mean) / std",
    "held": "(y[40:] - mean) / std",
    "asked": "(model.predict(x[40:], verbose=0) * std + mean)",
}


@pytest.mark.slow
def test_targets_of_a_fit_on_scale(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(PRICES.format(**PLAIN))
    recorded = record(path)
    assert recorded.exit_code == 0, recorded.printed
    edited = Scene(Project(tmp_path, "train.py"), recorded.run).after(
        [parse("standardise-targets")]
    )
    assert edited.project.text("train.py") == PRICES.format(**SCALED)
    path.write_text(PRICES.format(**SCALED))
    again = record(path)
    assert again.exit_code == 0, again.printed
    targets = again.run.targets()
    assert targets is not None
    assert abs(targets.mean[0]) < 0.5

    path.write_text(PRICES.format(**PLAIN) + "def ask(rows):\n    return model.predict(rows)\n")
    apart = Scene(Project(tmp_path, "train.py"), recorded.run)
    with pytest.raises(Refused, match="out of sight"):
        apart.after([parse("standardise-targets")])
