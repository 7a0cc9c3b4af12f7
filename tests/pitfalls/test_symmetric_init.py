"""symmetric-init: equal units in front of a layer that treats them alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penlight.core.facts import Graph, Module, Parameter, Targets
from penlight.core.run import Run
from penlight.core.vocabulary import GRAD_NORM, LOSS
from penlight.pitfalls.symmetric_init import SymmetricInit
from penlight.testing import check_card, fake_run, objective

STUCK = [1.39] * 100
LEARNS = [1.39 - 0.013 * i for i in range(100)]
FOURS = Targets("cross_entropy@train.py:1", samples=100, classes=(25, 25, 25, 25), entropy=1.386)
Net = Callable[..., Graph]


@pytest.fixture
def plain(net: Net) -> Graph:
    return net("NllLoss", "LogSoftmax", "fc2[64,4]", "Relu", "fc1[20,64]")


def weight(name: str, shape: tuple[int, int], std: float, mean: float = 0.05) -> Parameter:
    return Parameter(
        f"{name}.weight",
        shape,
        module=name,
        module_type="Linear",
        equal_rows=std == 0,
        mean=mean,
        std=std,
        source="net.py:7",
    )


def bias(name: str, std: float = 0.0) -> Parameter:
    return Parameter(f"{name}.bias", (64,), module=name, module_type="Linear", std=std)


def run_of(graph: Graph, *facts: Parameter | Module, loss: list[float] = STUCK) -> Run:
    return fake_run({LOSS: loss}, [graph, objective(input_shape=(32, 4)), FOURS, *facts])


def test_proves_equal_units(plain: Graph) -> None:
    run = run_of(plain, weight("fc1", (64, 20), 0.0), bias("fc1"), weight("fc2", (4, 64), 0.0))
    [found] = SymmetricInit().detect(run)
    assert found.exact
    assert found.severity == "critical"
    assert found.where == "fc1"
    assert found.source == "net.py:7"
    assert "All 64 units of fc1 start equal, and fc2.weight weighs them all with 0.05" in found.says


def test_the_proof_stands_whatever_the_loss_does(plain: Graph) -> None:
    facts = weight("fc1", (64, 20), 0.0), bias("fc1"), weight("fc2", (4, 64), 0.0)
    assert list(SymmetricInit().detect(run_of(plain, *facts, loss=LEARNS)))


def test_zeros_in_the_last_layer_alone_are_fine(plain: Graph) -> None:
    run = run_of(plain, weight("fc1", (64, 20), 0.1), weight("fc2", (4, 64), 0.0, mean=0.0))
    assert not list(SymmetricInit().detect(run))


def test_a_random_layer_behind_tells_the_units_apart(plain: Graph) -> None:
    run = run_of(plain, weight("fc1", (64, 20), 0.0), weight("fc2", (4, 64), 0.1))
    assert not list(SymmetricInit().detect(run))


def test_two_heads_of_zeros_side_by_side_are_fine(net: Net) -> None:
    run = run_of(
        net("NllLoss", "LogSoftmax", "actor[64,4]", "Relu", "body[20,64]"),
        weight("body", (64, 20), 0.1),
        weight("actor", (4, 64), 0.0, mean=0.0),
        weight("critic", (1, 64), 0.0, mean=0.0),
    )
    assert not list(SymmetricInit().detect(run))


def test_random_biases_or_dropout_break_the_proof(plain: Graph) -> None:
    equal = weight("fc1", (64, 20), 0.0), weight("fc2", (4, 64), 0.0)
    [found] = SymmetricInit().detect(run_of(plain, *equal, bias("fc1", std=0.1)))
    assert not found.exact
    assert found.severity == "warning"
    dropout = Module("drop", "Dropout")
    assert not list(
        SymmetricInit().detect(run_of(plain, *equal, bias("fc1"), dropout, loss=LEARNS))
    )


def test_copes_with_an_empty_run() -> None:
    assert not list(SymmetricInit().detect(fake_run()))


def test_card_is_complete() -> None:
    assert not check_card(SymmetricInit())


def factors(**changes: object) -> list[Parameter]:
    fields = {"shape": (50, 8), "module_type": "Embedding", "reached": True, **changes}
    return [Parameter(f"{name}.weight", module=name, **fields) for name in ("user", "item")]  # type: ignore[arg-type]


def held(facts: list[Parameter], user: list[float], item: list[float]) -> list[str]:
    series = {LOSS: STUCK, (GRAD_NORM, "user.weight"): user, (GRAD_NORM, "item.weight"): item}
    return [found.says for found in SymmetricInit().detect(fake_run(series, facts))]


def test_two_factors_of_zero() -> None:
    (said,) = held(factors(), [0.0] * 20, [0.0] * 20)
    assert "user.weight and item.weight start at zero and stay there" in said


@pytest.mark.parametrize(
    ("changes", "user", "item"),
    [
        ({}, [0.0] * 20, [0.0] * 3 + [0.1] * 17),  # LoRA: one of the two is random
        ({"std": 0.1}, [0.0] * 20, [0.0] * 20),  # dead, but not for being zero
        ({"reached": False}, [0.0] * 20, [0.0] * 20),  # never used
        ({"shape": (50,)}, [0.0] * 20, [0.0] * 20),  # biases behind dead units
        ({}, [0.0] * 3, [0.0] * 3),  # too few looks
    ],
)
def test_no_factors_of_zero(
    changes: dict[str, object], user: list[float], item: list[float]
) -> None:
    assert held(factors(**changes), user, item) == []
