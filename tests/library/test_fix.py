"""`penlight.fix` as a notebook calls it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import penlight

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

Batches = list[tuple[Tensor, Tensor]]


def data() -> tuple[DataLoader[Any], Batches]:
    torch.manual_seed(0)
    x = torch.randn(260, 10)
    y = (x[:, :3].sum(1) > 0).long()
    loader = DataLoader(TensorDataset(x[:160], y[:160]), batch_size=8, shuffle=True)
    return loader, [(x[160:], y[160:])]


def net(*head: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 2), *head)


def states() -> list[bytes]:
    numpy = np.random.get_state()  # noqa: NPY002  # is it left alone?
    return [
        torch.get_rng_state().numpy().tobytes(),
        repr(random.getstate()).encode(),
        repr((numpy[0], bytes(numpy[1]), numpy[2:])).encode(),
    ]


def error_rate(cure: Any, batches: Batches) -> float:
    cure.model.eval()
    with torch.no_grad():
        wrong = [(cure.model(x).argmax(1) != y).float() for x, y in batches]
    return float(torch.cat(wrong).mean())


def test_cures_a_rate_that_is_far_too_high_and_leaves_everything_else_alone() -> None:
    loader, held_out = data()
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=30.0, momentum=0.5)
    model(held_out[0][0]).sum().backward()
    weights = [p.detach().clone() for p in model.parameters()]
    grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    loss = nn.CrossEntropyLoss()
    before, functions = states(), dict(vars(F))

    cure = penlight.fix(model, optimizer, loss, loader, held_out, epochs=4, budget=14)

    assert cure.accepted, str(cure)
    assert cure.verdict == "accept"
    assert cure.trials[0].pairs >= 3
    assert error_rate(cure, held_out) < 0.2
    assert {id(p) for g in cure.optimizer.param_groups for p in g["params"]} == {
        id(p) for p in cure.model.parameters()
    }
    assert states() == before
    assert dict(vars(F)) == functions
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), grads, strict=True))
    assert optimizer.param_groups[0]["lr"] == 30.0
    assert not optimizer.state
    told = json.loads(json.dumps(cure.to_json()))
    assert told["accepted"]
    assert told["patch"] == ""
    assert told["trials"][0]["edits"]
    assert "The cure" in str(cure)
    assert "patch -p1" not in str(cure)
    assert "srcdoc" in cure._repr_html_()


def test_offers_nothing_for_a_healthy_training() -> None:
    loader, held_out = data()
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    # A function of torch.nn.functional is watched like a module.
    cure = penlight.fix(model, optimizer, F.cross_entropy, loader, held_out, epochs=4)
    assert not cure.accepted
    assert cure.verdict is None
    assert cure.trials == ()
    assert "Nothing to fix." in str(cure)
    assert cure.model is model
    assert cure.optimizer is optimizer
    assert cure.loss is F.cross_entropy
    assert cure.batches is loader


def test_repairs_a_second_softmax_although_nothing_is_random() -> None:
    loader, held_out = data()
    batches = list(loader)
    model = net(nn.Softmax(1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    cure = penlight.fix(model, optimizer, F.cross_entropy, batches, held_out, epochs=4, budget=16)
    assert cure.accepted, str(cure)
    assert "output-activation=none" in cure.trials[0].edits
    assert cure.trials[0].error_rate == 0.0  # the same bits in every pair
    assert not any(isinstance(m, nn.Softmax) for m in cure.model.modules())
    assert isinstance(model[-1], nn.Softmax)
    assert cure.loss is F.cross_entropy


class Cut(nn.Module):
    """A chain that is cut in the middle: only another text of `forward` can mend it."""

    def __init__(self) -> None:
        super().__init__()
        self.below, self.above = nn.Linear(10, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.above(torch.relu(self.below(x)).detach())
        return out


def test_a_loss_of_ones_own_is_judged_too(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 4)
    batches = list(zip(x.split(10), x.sum(1, keepdim=True).split(10), strict=True))
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=3.0)
    cure = penlight.fix(
        model, optimizer, lambda out, y: ((out - y) ** 2).mean(), batches, epochs=3, budget=14
    )
    assert cure.accepted, str(cure)
    assert "unexplained variance" in cure.trials[0].outcome
    # What is infinite is the prediction, not the data.
    found = [x["pitfall"] for x in cure.to_json()["diagnosis"]["findings"]]
    assert "nonfinite-or-corrupt-data" not in found
    assert "penlight: training as it is" in capsys.readouterr().err


def test_says_that_no_outcome_can_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 4)
    batches = list(zip(x.split(10), x[:, :1].split(10), strict=True))
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e4)
    cure = penlight.fix(
        model, optimizer, lambda out, y: out.exp().sum() - (out * y).sum(), batches, epochs=3,
        quiet=True,
    )  # fmt: skip
    assert cure.to_json()["diagnosis"]["findings"]
    assert not cure.accepted
    assert "torch.nn or torch.nn.functional" in " ".join(str(cure).split())
    assert capsys.readouterr().err == ""


def test_tells_what_only_the_source_can_do() -> None:
    loader, held_out = data()
    torch.manual_seed(1)
    model = Cut()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    cure = penlight.fix(
        model, optimizer, nn.CrossEntropyLoss(), loader, held_out, epochs=2, budget=6
    )
    assert not cure.accepted
    assert cure.model is model
    told = [i for i in cure.to_json()["instructions"] if i["pitfall"] == "gradient-cut"]
    assert told
    assert "only be made in the source" in told[0]["why"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda batches: iter(batches), "generator"),
        (lambda batches: [(x, x, y) for x, y in batches], "a tuple of 3"),
        (lambda batches: [x for x, _ in batches], "a Tensor"),
        (lambda batches: [], "nothing"),
    ],
)
def test_says_which_batches_it_needs(change: Callable[[Batches], Any], says: str) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(penlight.PenlightError, match=says):
        penlight.fix(model, optimizer, F.cross_entropy, change(data()[1]))


def test_says_that_the_optimiser_is_of_another_model() -> None:
    optimizer = torch.optim.SGD(net().parameters(), lr=0.1)
    with pytest.raises(penlight.PenlightError, match=r"model\.parameters\(\)"):
        penlight.fix(net(), optimizer, F.cross_entropy, data()[1])


@pytest.mark.parametrize("limits", [{"epochs": 0}, {"budget": 0}, {"minutes": 0}])
def test_limits_must_leave_something_to_do(limits: dict[str, Any]) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(penlight.PenlightError, match="at least one epoch"):
        penlight.fix(model, optimizer, F.cross_entropy, data()[1], **limits)


def test_leaves_no_hook_behind_when_a_training_fails() -> None:
    functions = dict(vars(F))
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrong = [(x[:, :5], y) for x, y in data()[1]]
    cure = penlight.fix(model, optimizer, F.cross_entropy, wrong, epochs=1)
    assert not cure.accepted
    assert "cannot be multiplied" in str(cure)
    assert dict(vars(F)) == functions
