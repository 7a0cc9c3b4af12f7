"""Evaluations of a training that runs without module hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.facts import Scales  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.probe.schedule import Governor  # noqa: E402
from penlight.probe.wake import IN_VAIN  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

STEPS = 60


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    """One whose steps coast without hooks as soon as the dense looks are over."""
    monkeypatch.setattr(Governor, "watchful", lambda self, idle: False)
    monkeypatch.setattr(Governor, "room", lambda self, spent, keep=1.0: -1.0 if keep else 1.0)
    torch.manual_seed(0)
    probe = Probe(MemorySink())
    probe.start()
    yield probe
    probe.finish(script_exit=None)


def train(net: nn.Module, between: Callable[[nn.Module], object] = lambda net: None) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(STEPS):
        x = torch.randn(8, 6)
        optimizer.zero_grad()
        F.cross_entropy(net(x), (x[:, 0] > 0).long()).backward()
        between(net)
        optimizer.step()


def off(probe: Probe) -> bool:
    assert probe.parts is not None
    return not probe.parts.forward.active


def without(net: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        net(x)


def inferred(net: nn.Module, x: Tensor) -> None:
    with torch.inference_mode():
        net(x)


def told(net: nn.Module, x: Tensor) -> None:
    net.eval()
    without(net, x)


@pytest.mark.parametrize("way", [without, inferred, told])
def test_the_last_evaluation_is_seen(
    probe: Probe, way: Callable[[nn.Module, Tensor], None]
) -> None:
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    train(net)
    assert off(probe)
    way(net, 1000 * torch.randn(60, 6))
    probe.finish(0)
    (seen,) = probe.sink._inner.run().all(Scales)
    assert seen.rows == 60


def test_hooks_go_when_the_training_goes_on(probe: Probe) -> None:
    net = nn.Linear(6, 2)
    train(net)
    net.eval()
    assert not off(probe)
    net(torch.randn(3, 6)).sum().backward()
    assert off(probe)


def test_gradients_that_are_switched_off_within_steps(probe: Probe) -> None:
    """As to clip them: no model is called then, and after a few times nothing is done any more."""
    net = nn.Linear(6, 2)
    train(net, lambda net: nn.utils.clip_grad_norm_(net.parameters(), 1.0))
    assert probe.parts is not None
    assert probe.parts.training.wake._in_vain == IN_VAIN
    assert off(probe)
    with torch.no_grad():
        assert off(probe)
    net.eval()  # this is always meant
    assert not off(probe)


def test_without_room_nothing_is_begun(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Governor, "room", lambda self, spent, keep=1.0: -1.0)
    net = nn.Linear(6, 2)
    train(net)
    assert probe.parts is not None
    wake = probe.parts.training.wake
    for _ in range(9):
        with torch.no_grad():
            assert off(probe)
    assert wake._in_vain == IN_VAIN  # and nothing is asked any more
    net.eval()
    assert off(probe)


def test_what_was_replaced_is_put_back() -> None:
    before = nn.Module.eval, torch.no_grad.__enter__, torch.inference_mode.__enter__
    probe = Probe(MemorySink())
    probe.start()
    assert nn.Module.eval is not before[0]
    probe.finish(script_exit=None)
    assert (nn.Module.eval, torch.no_grad.__enter__, torch.inference_mode.__enter__) == before
