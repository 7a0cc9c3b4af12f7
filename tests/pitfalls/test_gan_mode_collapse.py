"""gan-mode-collapse."""

from __future__ import annotations

import pytest

from penlight.core.facts import Exam, Optimizer
from penlight.pitfalls.gan_mode_collapse import GANModeCollapse
from penlight.testing import check_card, fake_run

ONE_MODE = {
    "coverage": 0.12,
    "own": 0.99,
    "std": 0.2,
    "nearest": 0.3,
    "rows": 300,
    "maker": "generator",
    "judge": "critic",
}


def said(steps=700, seen=None, players=2, **changes):
    exam = Exam(name="spread", step=seen or steps - 1, values={**ONE_MODE, **changes})
    optimizers = [Optimizer(index=i, type="Adam") for i in range(players)]
    return list(GANModeCollapse().detect(fake_run({}, [*optimizers, exam], steps=steps)))


def test_card():
    assert check_card(GANModeCollapse()) == []


def test_one_mode_of_eight():
    (found,) = said()
    assert found.where == "generator"
    assert "comes near 12% of the data" in found.says


def test_pictures_that_hardly_differ():
    (found,) = said(coverage=1.0)
    assert "spread out 20% as far as the data" in found.says


@pytest.mark.parametrize(
    "changes",
    [
        {"coverage": 0.97, "std": 0.9},
        {"steps": 100},  # every generator begins like that
        {"steps": 2500, "seen": 250},  # nobody looked since
        {"players": 1},  # no game
    ],
)
def test_varied(changes):
    assert not said(**changes)


def test_who_feeds_whom_is_seen():
    torch = pytest.importorskip("torch")
    from penlight.probe import Probe
    from penlight.store.memory import MemorySink

    torch.manual_seed(0)
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    maker, judge = torch.nn.Linear(3, 5), torch.nn.Linear(5, 1)
    optimizers = [torch.optim.SGD(m.parameters(), lr=1e-3) for m in (maker, judge)]
    for _ in range(20):
        fake = maker(0.01 * torch.randn(64, 3))
        (judge(torch.randn(64, 5)).mean() - judge(fake).mean()).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    probe.finish(0)
    exam = sink.run().exam("spread")
    assert exam is not None
    assert exam.values["own"] > 0.9
    assert exam.values["std"] < 0.1
