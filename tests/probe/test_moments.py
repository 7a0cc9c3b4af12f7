"""Clipping, Adam's memory of squares, the stream: measured as defined."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.facts import Fault, Hygiene  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.core.vocabulary import (  # noqa: E402
    CLIP_FACTOR,
    EPSILON_FACTOR,
    GRAD_SURPRISE,
    LOG_NORMALISER,
    STREAM_RMS,
)
from penlight.probe import Probe  # noqa: E402
from penlight.signals import moments as measure  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

Optim = torch.optim.Optimizer


def watched(train: Callable[[], None]) -> Run:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    try:
        train()
    finally:
        probe.finish(0)
    run = sink.run()
    assert not run.all(Fault)
    return run


def trained(
    make: Callable[[nn.Module], Optim], scale: Callable[[int], float] = lambda _: 1.0
) -> Run:
    """Twelve steps of a small net, the loss times `scale(step)`."""

    def train() -> None:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 3))
        optimizer = make(net)
        x, y = torch.randn(64, 6), torch.randint(3, (64,))
        for step in range(12):
            optimizer.zero_grad()
            (scale(step) * F.cross_entropy(net(x), y)).backward()
            optimizer.step()

    return watched(train)


class TestAdam:
    def test_memory_fits_a_steady_gradient(self) -> None:
        run = trained(lambda net: torch.optim.Adam(net.parameters()))
        for series in run.every(EPSILON_FACTOR):
            assert series.values.min() > 0.99
        for series in run.every(GRAD_SURPRISE):
            assert series.values.max() < 1.6
        assert len(run.sites(GRAD_SURPRISE)) == 6

    def test_epsilon_outweighs_a_tiny_loss(self) -> None:
        run = trained(lambda net: torch.optim.Adam(net.parameters()), lambda _: 1e-9)
        assert all(s.values.max() < 0.2 for s in run.every(EPSILON_FACTOR))

    def test_a_jump_of_the_gradient_surprises(self) -> None:
        run = trained(
            lambda net: torch.optim.Adam(net.parameters()), lambda step: 1.0 if step > 9 else 1e-3
        )
        for series in run.every(GRAD_SURPRISE):
            assert series.values[:10].max() < 1.6
            assert series.values[10] > 2.5

    def test_sgd_has_no_such_memory(self) -> None:
        run = trained(lambda net: torch.optim.SGD(net.parameters(), 0.1))
        assert not run.sites(EPSILON_FACTOR)

    def test_values(self) -> None:
        square, grad = torch.tensor([4.0, 0.0, 0.0]), torch.tensor([2.0, 0.0, 1e-30])
        assert float(measure.epsilon_factor(square, grad, 2.0)) == 0.25  # (1/2 + 0) / 2 used
        assert float(measure.surprise(torch.ones(2), torch.tensor([3.0, 0.0]), 1e-8)) == (
            pytest.approx(4.5**0.5)
        )
        assert torch.isnan(measure.epsilon_factor(torch.zeros(2), torch.zeros(2), 1e-8))


class TestClipping:
    @pytest.mark.parametrize("limit", [1e-2, 1e3])
    def test_factor(self, limit: float) -> None:
        norms: list[float] = []

        def train() -> None:
            net = nn.Linear(6, 3)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for _ in range(5):
                optimizer.zero_grad()
                F.cross_entropy(net(torch.randn(16, 6)), torch.randint(3, (16,))).backward()
                total: Tensor = nn.utils.clip_grad_norm_(net.parameters(), limit)
                norms.append(float(total))
                optimizer.step()

        run = watched(train)
        (site,) = run.sites(CLIP_FACTOR)
        assert site.startswith("test_moments.py:")
        assert run.series(CLIP_FACTOR).values.tolist() == pytest.approx(
            [min(1.0, limit / n) for n in norms], rel=1e-3
        )
        hygiene = run.last(Hygiene)
        assert hygiene is not None
        assert (hygiene.clip_calls, hygiene.clip_late) == (5, 0)
        assert hygiene.clipped == (5 if limit < 1 else 0)


def test_clipping_behind_the_step() -> None:
    def train() -> None:
        net = nn.Linear(6, 3)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(16, 6)), torch.randint(3, (16,))).backward()
            optimizer.step()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)

    hygiene = watched(train).last(Hygiene)
    assert hygiene is not None
    assert (hygiene.clip_calls, hygiene.clip_late) == (5, 5)


def test_stream_and_normaliser() -> None:
    run = trained(lambda net: torch.optim.SGD(net.parameters(), 0.1))
    assert len(run.series(STREAM_RMS)) == 12
    assert 0.2 < run.series(STREAM_RMS).values[0] < 1.5
    assert len(run.series(LOG_NORMALISER)) == 12
    assert 0.5 < run.series(LOG_NORMALISER).values[0] < 2.0
