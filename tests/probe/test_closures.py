"""Optimisers whose step makes the gradients itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402  # the name all of torch's users know

from penlight.core.facts import Fault  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


class Sharp(torch.optim.SGD):
    """Two passes a step, the second at a point nearby; the gradients are cleared after it."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        with torch.enable_grad():
            loss = closure()
        weights = [p for group in self.param_groups for p in group["params"]]
        aside = [0.05 * p.grad for p in weights]
        torch._foreach_add_(weights, aside)
        self.zero_grad()
        with torch.enable_grad():
            closure()
        torch._foreach_sub_(weights, aside)
        super().step()
        self.zero_grad()
        return loss


def trained(make: Callable[[Any], Any], *, named: bool, clear: bool) -> Run:
    sink = MemorySink()
    probe = Probe(sink)
    probe.start()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = make(net.parameters())
    x, y = torch.randn(64, 4), torch.randint(3, (64,))

    def closure() -> torch.Tensor:
        if clear:
            optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        return loss

    for _ in range(12):
        optimizer.step(closure=closure) if named else optimizer.step(closure)
    probe.finish()
    assert not sink.run().all(Fault)
    return sink.run()


@pytest.mark.parametrize("named", [False, True])
def test_a_step_that_clears_its_gradients_has_had_some(named: bool) -> None:
    torch.optim.SGD([torch.zeros(1)], lr=0.1)  # torch calls the hooks of its step from now on
    run = trained(lambda p: Sharp(p, lr=0.1), named=named, clear=False)
    assert run.hygiene.steps == 12
    assert run.hygiene.backwards == 24
    assert not run.hygiene.empty_steps
    assert not run.hygiene.stale_gradients


def test_gradients_of_the_last_pass_are_measured() -> None:
    run = trained(lambda p: torch.optim.LBFGS(p, max_iter=4), named=False, clear=True)
    assert not run.hygiene.empty_steps
    norms = run.series("grad_norm", "0.weight") or next(iter(run.every("grad_norm")))
    assert len(norms) == 12
