"""What a model is given beside its rows, dealt to other rows."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.run import Run  # noqa: E402
from penlight.pitfalls.no_information_from_input import NoInformationFromInput  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

pytestmark = pytest.mark.slow

CLASSES, WIDTH, ROWS = 5, 16, 96


class Denoiser(nn.Module):
    """Told a class, a number and noisy rows."""

    def __init__(self) -> None:
        super().__init__()
        self.told = nn.Embedding(CLASSES, 8)
        self.net = nn.Sequential(nn.Linear(WIDTH + 9, 64), nn.ReLU(), nn.Linear(64, WIDTH))

    def forward(self, x: Tensor, y: Tensor, amount: Tensor) -> Tensor:
        return self.net(torch.cat([x, self.told(y), amount], 1))


def trained(*, dealt: bool, net: nn.Module | None = None) -> Run:
    """Learn to remove noise from rows around five centres; `dealt`: with the labels of others."""
    torch.manual_seed(0)
    centres = torch.randn(CLASSES, WIDTH)
    net = net or Denoiser()
    sink = MemorySink()
    probe = Probe(sink, budget=2.0)
    probe.start()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(600):
        y = torch.randint(CLASSES, (ROWS,))
        clean = centres[y] + 0.3 * torch.randn(ROWS, WIDTH)
        amount = torch.rand(ROWS, 1)
        x = clean + 4 * amount * torch.randn(ROWS, WIDTH)
        given = y[torch.randperm(ROWS)] if dealt else y
        optimizer.zero_grad()
        F.mse_loss(net(x, given, amount), clean).backward()
        optimizer.step()
    probe.finish(0)
    return sink.run()


def conditions(run: Run) -> dict[str, Any]:
    exam = run.exam("conditions")
    assert exam is not None
    return exam.values


def says(run: Run) -> list[str]:
    return [found.says for found in NoInformationFromInput().detect(run)]


def test_a_condition_that_is_of_use() -> None:
    run = trained(dealt=False)
    values = conditions(run)
    assert values["rows"] == ROWS * values["batches"]
    assert values["width"] == WIDTH
    seen = values["arguments"]["y"]
    assert (seen["integral"], seen["classes"], seen["lowest"]) == (True, CLASSES, 0)
    assert seen["change"] == pytest.approx(seen["dealt"] - seen["own"])
    assert seen["change"] > 0.1 * seen["own"]
    assert seen["t"] > 10
    assert seen["told"] > 20
    assert 0.6 < seen["another"] < 0.95
    assert values["arguments"]["amount"]["integral"] is False
    assert values["arguments"]["amount"]["another"] == pytest.approx(1, abs=0.1)
    assert not says(run)


def test_a_condition_of_other_rows() -> None:
    run = trained(dealt=True)
    seen = conditions(run)["arguments"]["y"]
    assert abs(seen["change"]) < 0.005 * seen["own"]
    assert seen["told"] < 4
    assert seen["moved"] > 1e-3  # it is read
    (found,) = says(run)
    assert found.startswith("The model is given y beside its rows, and it tells nothing")


class Deaf(Denoiser):
    """Reads no class, and knows its rows well without."""

    def forward(self, x: Tensor, y: Tensor, amount: Tensor) -> Tensor:
        return super().forward(x, torch.zeros_like(y), amount)


def test_a_condition_that_is_in_order_and_not_read() -> None:
    run = trained(dealt=False, net=Deaf())
    seen = conditions(run)["arguments"]["y"]
    assert seen["moved"] == seen["change"] == seen["t"] == 0.0
    assert seen["told"] > 20
    assert not says(run)  # labels are handed along for other reasons, too


def test_a_model_that_is_given_its_rows_alone() -> None:
    torch.manual_seed(0)
    net, sink = nn.Linear(6, 1), MemorySink()
    probe = Probe(sink, budget=2.0)
    probe.start()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(20):
        x = torch.randn(32, 6)
        optimizer.zero_grad()
        F.mse_loss(net(x), x[:, :1]).backward()
        optimizer.step()
    probe.finish(0)
    run = sink.run()
    assert run.exam("shuffled") is not None
    assert run.exam("conditions") is None
