"""Keras 3 on torch: its steps are replayed on copies, its layers have names, nothing is changed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
with pytest.MonkeyPatch.context() as environment:
    environment.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="not installed: pip install 'penlight[keras]'")
import numpy as np  # noqa: E402  # after the check that keras is there
from keras import layers  # noqa: E402

from penlight.core import facts as f  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.core.vocabulary import OUTPUT_GRAD  # noqa: E402
from penlight.diagnosis import diagnose  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.probe.stateless import (  # noqa: E402
    Loss,
    Stateless,
    Twins,
    UnrepeatableError,
    widened,
)
from penlight.store.memory import MemorySink  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.clear_session()  # layers are named anew from "dense" on
    keras.utils.set_random_seed(0)


def table(rows: int = 320) -> tuple[Any, Any]:
    x = np.random.default_rng(1).normal(size=(rows, 6)).astype("float32")
    return x, x[:, :3].argmax(1)


def stack() -> Any:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, "relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(3, "softmax"),
        ]
    )


def branches() -> Any:
    inputs = keras.Input((6,))
    x = layers.Dense(16, "tanh")(inputs)
    x = layers.Concatenate()([x, layers.Dense(4, "relu")(inputs)])
    return keras.Model(inputs, layers.Dense(3, "softmax")(x))


class Own(keras.Model):  # type: ignore[misc]  # keras has no types
    """A model of the user's class that keeps count of its calls and adds a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(16, "relu")
        self.last = layers.Dense(3, "softmax")
        self.calls = 0
        self.sizes: list[int] = []

    def call(self, x: Any) -> Any:
        self.calls += 1
        self.sizes.append(len(x))
        hidden = self.first(x)
        self.add_loss(1e-3 * keras.ops.mean(hidden**2))
        return self.last(hidden)


def watched(
    model: Any, x: Any, y: Any, loss: Any = "sparse_categorical_crossentropy", **options: Any
) -> Run:
    """Fit under a probe with time enough."""
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(x, y, 32, 3, verbose=0, **options)
    probe.finish(0)
    return sink.run()


def sound(run: Run) -> dict[str, dict[str, Any]]:
    """The exams of a run that could be replayed."""
    assert not [b for b in run.all(f.Blind) if b.what == "replays"]
    assert not list(run.all(f.Fault))
    return {e.name: e.values for e in run.all(f.Exam)}


@pytest.mark.slow
@pytest.mark.parametrize("make", [stack, branches, Own])
def test_steps_are_replayed_on_copies(make: Callable[[], Any]) -> None:
    found = sound(watched(make(), *table()))
    assert {"coupling", "modes", "shuffled", "rates", "rates_end", "halves"} <= found.keys()
    assert found["rates"]["x1"] < found["rates"]["start"]
    assert found["coupling"]["others"] == 0.0
    assert found["shuffled"]["shuffled"] > found["shuffled"]["true"]
    assert found["halves"]["held"] < found["halves"]["guess"]


@pytest.mark.slow
def test_a_small_rate_gains_in_proportion() -> None:
    model = branches()
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    model.compile(keras.optimizers.SGD(1e-4), "sparse_categorical_crossentropy")
    model.fit(*table(), 32, 4, verbose=0)
    probe.finish(0)
    values = sound(sink.run())["rates"]
    fall = {k: values["start"] - values[k] for k in ("x1", "x10")}
    assert 8 < fall["x10"] / fall["x1"] < 12


@pytest.mark.slow
def test_replays_tell_a_rate_that_is_too_low_from_one_that_is_right() -> None:
    x, y = table(640)
    for rate, found in ((3e-4, ["lr-too-low"]), (0.2, [])):
        model, sink = branches(), MemorySink()
        model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
        probe = Probe(sink, budget=10.0)
        probe.start()
        model.fit(x, y, 32, 12, verbose=0)
        probe.finish(0)
        counting = [g for g in diagnose(sink.run()).findings if g.severity != "note"]
        assert [g.pitfall for g in counting] == found


@pytest.mark.slow
def test_weighted_classes_and_other_losses_are_replayed() -> None:
    x, y = table()
    assert "rates" in sound(watched(branches(), x, y, class_weight={0: 1.0, 1: 5.0, 2: 1.0}))
    one_hot = keras.utils.to_categorical(y, 3)
    assert "halves" in sound(watched(branches(), x, one_hot, "categorical_crossentropy"))

    def own_loss(true: Any, output: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(true - output) ** 1.5, axis=-1)

    assert "rates" in sound(watched(branches(), x, one_hot, own_loss))


@pytest.mark.slow
def test_padded_sequences_keep_their_mask() -> None:
    x = np.random.default_rng(0).integers(1, 9, (200, 8))
    x[:, 5:] = 0
    y = (x[:, 0] > 4).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(6),
            layers.Dense(1, "sigmoid"),
        ]
    )
    run = watched(model, x, y, "binary_crossentropy")
    assert "coupling" in sound(run)
    assert [m.name for m in run.modules] == ["embedding", "lstm", "dense"]


def test_what_cannot_be_copied_is_told_and_harms_nothing() -> None:
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.TorchModuleWrapper(torch.nn.Linear(6, 3)),
            layers.Softmax(),
        ]
    )
    run = watched(model, *table())
    assert [b.what for b in run.all(f.Blind)] == ["replays"]
    assert not list(run.all(f.Fault))
    assert run.steps == 30


def trace(make: Callable[[], Any], watch: bool) -> list[Any]:
    """What two fits leave behind, the first one under a probe or not."""
    keras.utils.set_random_seed(3)
    model, (x, y) = make(), table(160)
    left: list[Any] = []
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for first in (True, False):
        probe = Probe(MemorySink(), budget=0.5) if watch and first else None
        if probe is not None:
            probe.start()
        history = model.fit(x, y, 16, 2, verbose=0, validation_split=0.2).history
        if probe is not None:
            probe.finish(0)
        left += [history, [np.array(v) for v in model.variables + model.optimizer.variables]]
        left += [torch.rand(3).tolist(), random.random(), np.random.rand()]  # noqa: NPY002
        left += [
            layers.Dense(1).name,
            getattr(model, "calls", 0),
            list(getattr(model, "sizes", ())),
        ]
    return left


@pytest.mark.slow
@pytest.mark.parametrize("make", [stack, branches, Own])
def test_nothing_is_changed(make: Callable[[], Any]) -> None:
    bare = trace(make, watch=False)
    keras.utils.clear_session()
    for one, other in zip(bare, trace(make, watch=True), strict=True):
        if isinstance(one, list) and one and isinstance(one[0], np.ndarray):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        else:
            assert one == other


def test_layers_and_weights_have_keras_names_and_light() -> None:
    run = watched(stack(), *table())
    assert [m.name for m in run.modules] == ["dense", "batch_normalization", "dropout", "dense_1"]
    assert [p.name for p in run.parameters][:2] == ["dense.kernel", "dense.bias"]
    assert all(p.requires_grad and p.used for p in run.parameters)
    kernel = run.parameters[0]
    assert (kernel.units, kernel.fan_in) == (16, 6)
    assert run.series(OUTPUT_GRAD, "dense")
    assert run.modules[2].settings["p"] == 0.2


def test_the_gradient_of_a_layer_is_that_before_its_activation() -> None:
    apart = keras.Sequential([keras.Input((6,)), layers.Dense(3), layers.Softmax()])
    joined = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    joined.set_weights(apart.get_weights())
    light = [
        watched(m, *table(), shuffle=False).series(OUTPUT_GRAD, m.layers[0].name).values
        for m in (apart, joined)
    ]
    assert np.allclose(*light)


def test_images_have_their_channels_last() -> None:
    x = np.random.default_rng(0).normal(size=(64, 5, 5, 2)).astype("float32")
    model = keras.Sequential([keras.Input((5, 5, 2)), layers.Flatten(), layers.Dense(3, "softmax")])
    run = watched(model, x, np.arange(64) % 3)
    assert [i.features for i in run.inputs] == [2]


def test_a_copy_gives_what_the_model_gives() -> None:
    x, y = (torch.tensor(v[:32]) for v in table())
    for make in (stack, branches, Own):
        model = make()
        model.compile("sgd", "sparse_categorical_crossentropy")
        output = model(x, training=False)
        twin = copy.deepcopy(Stateless(model)).eval()
        assert torch.equal(twin(x), output)
        loss = Loss(model._compile_loss)
        model._compile_loss(y, output)
        assert float(loss(twin(x), y)) == float(model._compile_loss(y, output))
        assert loss.mean


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.optimizers.Adam(0.01),
        keras.optimizers.RMSprop(0.01, weight_decay=0.1),
    ],
)
def test_a_twin_steps_like_the_optimizer(optimizer: Any) -> None:
    start = torch.randn(4, 3)
    variable = keras.Variable(start.numpy())
    optimizer.build([variable])
    kind = type(type(optimizer).__name__, (), {"inner": optimizer})
    twins = Twins.of(kind())  # type: ignore[arg-type]  # all that it asks for
    parameter = torch.nn.Parameter(start.clone())
    twin = twins([{"params": [parameter], "lr": float(optimizer.learning_rate)}])
    for _ in range(3):
        grad = torch.randn(4, 3)
        optimizer.apply([grad], [variable])
        parameter.grad = grad.clone()
        twin.step()
    assert torch.equal(parameter.detach(), variable.value.detach())


def test_a_narrow_stack_is_widened() -> None:
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(4, "relu"), layers.Dense(3, "softmax")]
    )
    wide = widened(Stateless(model), 16, 64)
    assert wide is not None
    assert dict(wide.named_parameters())["dense.kernel"].shape == (6, 64)
    assert wide(torch.randn(5, 6)).shape == (5, 3)
    assert widened(Stateless(branches()), 16, 64) is None


def test_a_model_with_a_torch_module_inside_is_refused() -> None:
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.TorchModuleWrapper(torch.nn.Linear(6, 3))]
    )
    with pytest.raises(UnrepeatableError):
        Stateless(model)
