"""The experiment `rescaled`: held-out rows on another scale than training rows."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there

from penlight.core.facts import Exam  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

Data = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pictures(rows: int) -> Data:
    """Standardised pictures; the brighter half tells the class."""
    x, y = torch.randn(rows, 3, 8, 8), torch.randint(0, 2, (rows,))
    x[:, :, :4] += 1.5 * (2 * y - 1)[:, None, None, None]
    return x, y


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
                         nn.Linear(288, 2))  # fmt: skip


def numbers(rows: int) -> Data:
    x = torch.randn(rows, 6)
    return x, (x[:, 0] > 0).long()


def asked(model: nn.Module, data: Data, held: Data) -> Exam | None:
    torch.manual_seed(0)
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x, y = data
    for rows in torch.arange(len(x)).repeat(4).split(40):
        model.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        (model(held[0]).argmax(1) == held[1]).sum().item()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    probe.finish(0)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    return sink.run().exam("rescaled")


def test_pictures_that_were_not_standardised() -> None:
    held = pictures(200)
    exam = asked(net(), pictures(400), (0.5 + 0.05 * held[0] + 8, held[1]))
    assert exam is not None
    assert exam.values["own"] > 0.3
    assert exam.values["rescaled"] < 0.05
    assert exam.values["training"] < 0.05
    assert exam.values["rows"] == 200
    assert exam.values["std"][1] < 0.2 * exam.values["std"][0]


def test_rows_of_one_kind_need_no_experiment() -> None:
    assert asked(net(), pictures(400), pictures(200)) is None
    held = numbers(200)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    assert asked(model, numbers(400), held) is None


def test_a_model_that_does_not_care_about_the_scale() -> None:
    model = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    x, y = numbers(200)
    exam = asked(model, numbers(400), (30 * x, y))
    assert exam is not None
    assert abs(exam.values["own"] - exam.values["rescaled"]) < 0.05


class OneSize(nn.Module):
    """Made for batches of 40 rows and no others."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.view(40, 6))  # type: ignore[no-any-return]


def test_a_model_for_one_size_of_batches() -> None:
    x, y = numbers(40)
    exam = asked(OneSize(), numbers(400), (100 + 9 * x, y))
    assert exam is not None
    assert exam.values["rows"] == 40
    assert exam.values["rescaled"] < exam.values["own"]
