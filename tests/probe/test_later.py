"""A script that trains two models one after the other: the longer training is experimented with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core import facts as f  # noqa: E402
from penlight.core.later import earlier, later  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.core.vocabulary import LOSS  # noqa: E402
from penlight.diagnosis import diagnose  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def watched(script: Callable[[], None]) -> Run:
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    script()
    probe.finish(0)
    return sink.run()


def train(model: nn.Module, x: Tensor, y: Tensor, steps: int, lr: float = 0.05) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        rows = torch.randint(len(x), (32,))
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()


def net(classes: int = 3, width: int = 16) -> nn.Module:
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, classes))


def separable(rows: int = 400, classes: int = 3) -> tuple[Tensor, Tensor]:
    y = torch.randint(classes, (rows,))
    return torch.randn(classes, 8)[y] * 2 + torch.randn(rows, 8), y


def test_the_longer_one_is_asked_although_it_came_second() -> None:
    x, y = separable()

    def script() -> None:
        train(net(classes=3), x, y, 50)
        train(net(classes=4), x, (y + 1), 120)

    run = watched(script)
    mark, rates = run.last(f.Later), run.exam("rates")
    assert mark is not None
    assert rates is not None
    assert 50 <= mark.since <= 51
    assert rates.since == mark.since
    second = later(run)
    assert second is not None
    assert second.steps == 170 - mark.since
    targets, objective = second.targets(), second.objective
    assert objective is not None
    assert targets is not None
    assert targets.classes[0] == 0
    assert all(targets.classes[1:])
    assert [o.index for o in second.optimizers] == [1]
    assert len(second.series(LOSS)) == second.steps
    assert second.exam("rates") is not None
    assert earlier(run).exam("rates") is None
    assert {m.root for m in second.modules} == {mark.root}


def test_what_is_wrong_with_it_is_told_by_the_steps_of_the_whole_run() -> None:
    x, y = separable()

    def script() -> None:
        train(net(), x, y, 50)
        train(net(width=64), x[:, torch.randperm(8)], y[torch.randperm(len(y))], 300)

    found = diagnose(watched(script)).findings
    assert [(x.pitfall, x.first_step) for x in found] == [("misaligned-labels", 50)]
    assert found[0].evidence[0].says.startswith("about the training that begins at step 50")


def test_a_shorter_one_is_not() -> None:
    x, y = separable()

    def script() -> None:
        train(net(), x, y, 120)
        train(net(), x, y, 60)

    run = watched(script)
    assert run.last(f.Later) is None
    assert later(run) is None
    assert earlier(run) is run
    assert run.exam("rates") is not None


def test_two_that_take_turns_are_one_training() -> None:
    x, y = separable()
    one, other = net(), net()

    def script() -> None:
        for _ in range(20):
            train(one, x, y, 1)
            train(other, x, y, 5)

    run = watched(script)
    assert run.last(f.Later) is None
    assert run.exam("rates") is not None


def test_one_that_cannot_be_replayed_gives_way() -> None:
    x, y = separable()
    body, head = nn.Linear(8, 8), nn.Linear(8, 3)

    def script() -> None:
        optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.05)
        for _ in range(100):
            optimizer.zero_grad()
            F.cross_entropy(head(body(x)), y).backward()
            optimizer.step()
        train(net(), x, y, 40)

    run = watched(script)
    mark = run.last(f.Later)
    assert mark is not None
    assert mark.since >= 100
    assert run.exam("rates") is not None
