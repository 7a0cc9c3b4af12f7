"""Routers of mixtures of experts, read off the graph of the loss."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.facts import Fault  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.core.vocabulary import ROUTER_ENTROPY, ROUTER_IDLE  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.signals import routing as measure  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

EXPERTS = 4


class Mixture(nn.Module):
    """Four experts; `how` says in which way one is chosen."""

    def __init__(self, how: str, bias: float) -> None:
        super().__init__()
        self.how = how
        self.router = nn.Linear(6, EXPERTS)
        self.experts = nn.ModuleList(nn.Linear(6, 3) for _ in range(EXPERTS))
        with torch.no_grad():
            self.router.bias[0] += bias

    def forward(self, x: Tensor) -> Tensor:
        every = torch.stack([e(x) for e in self.experts], 1)
        logits = self.router(x)
        if self.how == "topk of softmax":
            weight, chosen = logits.softmax(-1).topk(2, dim=-1)
        elif self.how == "topk of logits":
            weight, chosen = torch.topk(logits, 2)
            weight = weight.softmax(-1)
        elif self.how == "max":
            weight, chosen = (part[:, None] for part in logits.softmax(-1).max(-1))
        else:  # the largest unit of a layer, as in pooling: no choice among experts
            largest: Tensor = logits.max(-1)[0]
            return every.mean(1) * largest[:, None]
        picked = every.gather(1, chosen[:, :, None].expand(-1, -1, 3))
        return (weight[:, :, None] * picked).sum(1)


def trained(how: str, bias: float = 0.0) -> Run:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    try:
        torch.manual_seed(0)
        net = Mixture(how, bias)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        for _ in range(12):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(512, 6)), torch.randint(3, (512,))).backward()
            optimizer.step()
    finally:
        probe.finish(0)
    run = sink.run()
    assert not run.all(Fault)
    return run


@pytest.mark.parametrize("how", ["topk of softmax", "topk of logits", "max"])
def test_sees_the_choices(how: str) -> None:
    run = trained(how)
    assert run.sites(ROUTER_ENTROPY) == ["router"]
    assert run.series(ROUTER_ENTROPY).values.min() > 0.5
    assert run.series(ROUTER_IDLE).values.max() <= 0.25


def test_sees_a_collapse() -> None:
    run = trained("max", bias=20.0)
    assert run.series(ROUTER_ENTROPY).values.max() < 0.1
    assert run.series(ROUTER_IDLE).values.min() == 0.75


def test_a_maximum_over_units_is_no_router() -> None:
    assert not trained("pooling").sites(ROUTER_ENTROPY)


def test_values() -> None:
    load = measure.load(torch.tensor([[0, 1], [0, 1]]), 4)
    assert load.tolist() == [2, 2, 0, 0]
    assert float(measure.entropy(load)) == pytest.approx(0.5)
    assert float(measure.idle(load)) == 0.5
