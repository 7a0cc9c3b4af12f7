"""Rows of the data are kept when the user asks for it, and never otherwise."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.facts import Fault, Offender  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.signals.samples import small  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


def trained(x: Tensor, steps: int = 4, held: Tensor | None = None, keep: bool = True) -> Run:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    if keep:
        probe.keep_samples()
    try:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 3))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(net(x), torch.arange(len(x)) % 3).backward()
            optimizer.step()
        if held is not None:
            with torch.no_grad():
                F.cross_entropy(net(held), torch.arange(len(held)) % 3)
    finally:
        probe.finish(0)
    run = sink.run()
    assert run.all(Fault) == []
    return run


def with_nan() -> Tensor:
    x = torch.randn(6, 20)
    x[2, 5] = math.nan
    x[4, 7] = math.inf
    return x


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    assert trained(with_nan(), keep=False).all(Offender) == []
    assert trained(torch.randn(6, 20)).all(Offender) == []


def test_the_training_is_the_same() -> None:
    x = torch.randn(9, 20)
    kept, plain = (
        trained(x, held=x[3:], keep=keep).series("loss").values for keep in (True, False)
    )
    assert kept.tolist() == plain.tolist()


def test_there_are_eight_at_most() -> None:
    assert len(trained(torch.full((20, 4), math.nan).cumsum(0)).all(Offender)) == 1, "all are equal"
    x = torch.randn(20, 4)
    x[:, 2] = math.nan
    assert len(trained(x).all(Offender)) == 8


def test_rows_with_nan_are_kept_as_they_are_and_once() -> None:
    x = with_nan()
    found = trained(x).all(Offender)
    assert [(o.step, o.batch, o.row) for o in found] == [(0, 1, 2), (0, 1, 4)]
    assert {o.why for o in found} == {"nonfinite"}
    assert torch.tensor(found[0].values, dtype=torch.float64).allclose(
        x[2].double(), equal_nan=True
    )
    assert found[1].values[7] == math.inf


def test_a_late_batch_is_kept_by_its_loss() -> None:
    """Between looks only the loss tells."""
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    probe.keep_samples()
    try:
        net = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        for step in range(150):
            x = torch.randn(5, 4)
            if step == 147:
                x[3, 0] = math.nan
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
    finally:
        probe.finish(0)
    (found,) = sink.run().all(Offender)
    assert (found.step, found.batch, found.row) == (147, 148, 3)


def test_held_out_rows_that_were_trained_on() -> None:
    x = torch.randn(9, 20)
    held = torch.cat([torch.randn(3, 20), x[4:6]])
    found = trained(x, held=held).all(Offender)
    assert [(o.why, o.row, o.batch) for o in found] == [("leaked", 3, None), ("leaked", 4, None)]
    assert found[0].values == tuple(x[4].tolist())
    assert trained(x, held=x).all(Offender) == [], "a look at the training set is no leak"


@pytest.mark.parametrize(
    ("whole", "shape"),
    [
        ((28, 28), (28, 28)),
        ((3, 8, 8), (8, 8)),
        ((8, 9, 3), (8, 9)),
        ((1, 200, 100), (64, 64)),
        ((70, 10), (64, 10)),
        ((7,), (7,)),
        ((1, 9), (9,)),
        ((), (1,)),
        ((300,), (256,)),
        ((9, 8, 7), (256,)),
    ],
)
def test_rows_are_made_small(whole: tuple[int, ...], shape: tuple[int, ...]) -> None:
    kept, start, values = small(torch.ones(whole))
    assert kept == shape
    assert start == 0
    assert values == pytest.approx([1.0] * math.prod(shape))


def test_what_is_not_finite_is_among_what_is_kept() -> None:
    image = torch.zeros(3, 200, 300)
    image[1, 150, 280] = math.nan
    shape, _, values = small(image)
    assert [i for i, v in enumerate(values) if math.isnan(v)] == [
        150 * 64 // 200 * 64 + 280 * 64 // 300
    ]
    assert shape == (64, 64)
    row = torch.arange(1000.0)
    row[900] = math.inf
    shape, start, values = small(row)
    assert (shape, start) == ((256,), 744)
    assert values[900 - 744] == math.inf
    assert values[0] == 744.0
