"""Steps between looks, once the sentinels have used up their share of the budget."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.facts import Fault, NonFinite  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.core.vocabulary import LOSS, LR  # noqa: E402
from penlight.probe import Probe, schedule  # noqa: E402
from penlight.probe.coast import Coast  # noqa: E402
from penlight.probe.schedule import SPARSE, Governor  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

STEPS = 200


@pytest.fixture
def coasted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps that coasted; nothing is left of the budget once the dense start is over."""
    monkeypatch.setattr(Governor, "room", lambda self, spent, keep=0.0: -1.0)
    monkeypatch.setattr(Governor, "watchful", lambda self, idle: False)
    steps, after = [], Coast.after

    def counted(self: Coast, watched: Any, optimizer: Any) -> bool:
        step = self.state.step
        done = after(self, watched, optimizer)
        steps.extend([step] * done)
        return done

    monkeypatch.setattr(Coast, "after", counted)
    return steps


def train(step: Callable[[int, nn.Module, Any], Any], steps: int = STEPS) -> tuple[Run, list[Any]]:
    """A training of a small net; `step` gives the loss of the step, or several."""
    torch.manual_seed(0)
    sink = MemorySink()
    probe = Probe(sink)
    probe.start()
    try:
        net = nn.Linear(6, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        losses = [step(i, net, optimizer) for i in range(steps)]
    finally:
        probe.finish(script_exit=None)
    return sink.run(), losses


def plain(i: int, net: nn.Module, optimizer: Any) -> float:
    x = torch.randn(8, 6)
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), (x[:, 0] > 0).long())
    loss.backward()
    optimizer.step()
    return loss.item()


def series(run: Run, signal: Any, site: str = "SGD#0") -> tuple[list[int], list[float]]:
    found = run.series(signal, site)
    return list(found.steps), list(found.values)


def test_every_loss_of_a_coasting_run_is_kept(coasted: list[int]) -> None:
    run, losses = train(plain)
    assert len(coasted) > 0.7 * STEPS
    steps, values = series(run, LOSS)
    assert steps == list(range(STEPS))
    assert values == pytest.approx(losses, rel=1e-6)
    assert run.hygiene.steps == run.hygiene.backwards == STEPS


def test_some_steps_are_looked_at_all_the_same(coasted: list[int]) -> None:
    run, _ = train(plain)
    careful = sorted(set(range(STEPS)) - set(coasted))
    assert max(b - a for a, b in pairwise(careful)) <= SPARSE
    assert run.hygiene.stale_checks >= 2
    assert run.hygiene.stale_gradients == run.hygiene.empty_steps == 0


def test_a_change_of_the_rate_is_kept_at_its_step(coasted: list[int]) -> None:
    def step(i: int, net: nn.Module, optimizer: Any) -> float:
        optimizer.param_groups[0]["lr"] = 0.1 if i < 150 else 0.05
        return plain(i, net, optimizer)

    run, _ = train(step)
    assert 150 in coasted
    assert series(run, LR) == ([0, 150], [0.1, 0.05])


def test_accumulated_losses_are_averaged(coasted: list[int]) -> None:
    def step(i: int, net: nn.Module, optimizer: Any) -> float:
        optimizer.zero_grad()
        losses = [net(torch.randn(4, 6)).square().mean() for _ in range(3)]
        for loss in losses:
            (loss / 3).backward()
        optimizer.step()
        return sum(x.item() for x in losses) / 9

    run, losses = train(step)
    assert len(coasted) > 0.7 * STEPS
    assert series(run, LOSS)[1] == pytest.approx(losses, rel=1e-5)
    assert run.hygiene.backwards == 3 * STEPS


def test_two_optimisers_coast_together(coasted: list[int]) -> None:
    torch.manual_seed(0)
    other = nn.Linear(6, 2)
    second = torch.optim.SGD(other.parameters(), lr=0.1)

    def step(i: int, net: nn.Module, optimizer: Any) -> list[float]:
        return [plain(i, net, optimizer), plain(i, other, second)]

    run, losses = train(step)
    assert len(coasted) > 1.4 * STEPS
    assert series(run, LOSS)[1] == pytest.approx([a for a, _ in losses], rel=1e-6)
    assert series(run, LOSS, "SGD#1")[1] == pytest.approx([b for _, b in losses], rel=1e-6)
    assert run.hygiene.steps - STEPS in (0, 1)  # an optimiser met later counts from there
    assert run.hygiene.stale_gradients == 0


def test_gradients_that_are_never_cleared_end_the_coasting(coasted: list[int]) -> None:
    def step(i: int, net: nn.Module, optimizer: Any) -> None:
        net(torch.randn(8, 6)).square().mean().backward()
        optimizer.step()

    run, _ = train(step)
    assert coasted == []
    assert run.hygiene.stale_gradients == STEPS - 1


def test_a_loss_that_breaks_while_coasting_is_found_at_its_step(coasted: list[int]) -> None:
    def step(i: int, net: nn.Module, optimizer: Any) -> None:
        optimizer.zero_grad()
        x = torch.randn(8, 6)
        loss = (net(x).square().sum() * (0.0 if i == 123 else 1.0)).log()
        loss.backward()
        optimizer.step()

    run, _ = train(step, 130)
    assert {120, 121, 122} & set(coasted)
    (born,) = run.all(NonFinite)
    assert (born.step, born.direction, born.op) == (123, "forward", "Log")


def test_a_mode_of_the_script_sees_nothing_of_it(coasted: list[int]) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counts(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            Counts.calls += 1
            return func(*args, **(kwargs or {}))

    def step(i: int, net: nn.Module, optimizer: Any) -> int:
        before = Counts.calls
        with Counts():
            net(torch.ones(8, 6)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        return Counts.calls - before

    _, calls = train(step)
    assert len(set(calls[2:])) == 1


@pytest.mark.parametrize("broken", ["backward", "after", "end"])
def test_a_fault_while_coasting_stays_inside(
    broken: str, coasted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*args: Any) -> Any:
        raise RuntimeError("injected")

    torch.manual_seed(0)
    _, losses = train(plain)
    monkeypatch.setattr(Coast, broken, fault)
    run, same = train(plain)
    assert same == losses
    assert {f.part for f in run.all(Fault)} <= {"optimiser hooks", "training"}
    assert run.all(Fault)


# -- the governor -----------------------------------------------------------------------------


def at(governor: Governor, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "perf_counter", lambda: governor.started + seconds)


def test_what_is_done_between_looks_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    governor = Governor(budget=0.01, allowance=1.0)
    at(governor, 1000.0, monkeypatch)
    earned = 1.0 + 10.0 * schedule.SEEN
    assert governor.watchful(schedule.IDLE * earned - 0.001)
    assert not governor.watchful(schedule.IDLE * earned + 0.001)


def test_looks_end_when_the_budget_is_spent_and_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    governor = Governor(budget=0.01, allowance=1.0)
    at(governor, 100.0, monkeypatch)
    governor.paid(0.01)
    assert governor.light(100, spent=0.9)
    assert governor.full(100, spent=0.9)
    assert not governor.light(200, spent=3.0)
    assert not governor.full(200, spent=3.0)
    assert not governor.light(201, spent=0.0)  # not asked again before its turn
    at(governor, 1000.0, monkeypatch)
    assert governor.light(300, spent=3.0)
    assert governor.full(300, spent=3.0)


def test_sentinels_are_rare_without_room_and_nothing_is_due_in_between() -> None:
    governor = Governor()
    governor.next_full = governor.next_light = governor.next_glimpse = 10**6
    seen = [step for step in range(200) if governor.sentinel(step, watchful=False)]
    assert seen == list(range(0, 200, SPARSE))
    assert governor.due == seen[-1] + SPARSE
    assert governor.sentinel(200, watchful=True)
    assert governor.due == 201
