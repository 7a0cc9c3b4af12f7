"""Losses that a script computes itself are recognised from the graph they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.run import Run  # noqa: E402
from penlight.diagnosis import diagnose  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.probe.graph import OUTPUT, walk  # noqa: E402
from penlight.probe.handwritten import Recognised, library_form, recognise  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402


def read(loss: Tensor, output: Tensor, own: bool = False) -> Recognised | None:
    if output.grad_fn is not None:
        output.grad_fn.metadata[OUTPUT] = output.detach()
    graph = walk(loss, lambda leaf: "")
    assert graph is not None
    return recognise(graph, own)


@pytest.fixture
def output() -> Tensor:
    torch.manual_seed(0)
    return nn.Linear(5, 3)(torch.randn(8, 5))


@pytest.mark.parametrize(
    "loss",
    [
        lambda o, y: ((o - y) ** 2).mean(),
        lambda o, y: ((y - o) ** 2).mean(),
        lambda o, y: ((o - y) ** 2).sum(1).mean() / 2,
        lambda o, y: torch.sqrt(((o - y) ** 2).mean()),
        lambda o, y: (o - y).square().sum(),
    ],
)
def test_squared_errors(output: Tensor, loss: object) -> None:
    target = torch.randn(8, 3)
    found = read(loss(output, target), output)  # type: ignore[operator]  # a lambda of the table
    assert found is not None
    assert found.name == "mse_loss"
    assert torch.allclose(found.target, target, atol=1e-5)
    assert torch.equal(found.prediction, output.detach())


def test_tells_what_made_the_prediction_through_changes_of_shape(output: Tensor) -> None:
    predicted = output[:, :1].relu()
    found = read(((predicted.squeeze(-1) - torch.randn(8)) ** 2).mean(), predicted)
    assert found is not None
    assert found.maker == "Relu"


def test_a_difference_of_something_else_is_no_error(output: Tensor) -> None:
    """As the penalty on a gradient's length, one number for each row like the output."""
    penalty = (output.square().sum(1).sqrt() - 1) ** 2
    assert read(penalty.mean(), output[:, 0]) is None
    scaled = 50 * output[:, :1]
    assert read(((scaled - torch.randn(8, 1)) ** 2).mean(), output[:, :1]) is None
    shares = output[:, :1].sigmoid()  # autograd keeps these, whoever made them
    found = read(((shares - torch.zeros(8, 1)) ** 2).mean(), output)
    assert found is not None
    assert torch.equal(found.prediction, shares)


def test_absolute_errors(output: Tensor) -> None:
    target = torch.randn(8, 3)
    found = read((output - target).abs().mean(), output)
    assert found is not None
    assert found.name == "l1_loss"
    assert torch.allclose(found.target, target, atol=1e-5)


@pytest.mark.parametrize("tiny", [0.0, 1e-7])
def test_cross_entropy_of_one_hot_labels(output: Tensor, tiny: float) -> None:
    labels = torch.randint(3, (8,))
    hot = F.one_hot(labels, 3).float()
    found = read(-(hot * torch.log(output.softmax(1) + tiny)).sum(1).mean(), output)
    assert found is not None
    assert found.name == "nll_loss"
    assert torch.equal(found.target, labels)
    assert torch.allclose(found.prediction, output.log_softmax(1), atol=1e-4)


@pytest.mark.parametrize("labels", [[0.0, 1.0] * 4, [0.0, 1.0, 2.0, 3.0] * 2])
@pytest.mark.parametrize("tiny", [0.0, 1e-7])
def test_binary_cross_entropy_whatever_the_labels(
    output: Tensor, labels: list[float], tiny: float
) -> None:
    p, target = output[:, :1].sigmoid(), torch.tensor(labels)[:, None]
    loss = -(target * torch.log(p + tiny) + (1 - target) * torch.log(1 - p + tiny)).mean()
    found = read(loss, output[:, :1])
    assert found is not None
    assert found.name == "binary_cross_entropy"
    assert torch.equal(found.target, target)
    assert torch.allclose(found.prediction, p, atol=1e-5)


def test_cross_entropy_over_log_softmax(output: Tensor) -> None:
    hot = F.one_hot(torch.randint(3, (8,)), 3).float()
    found = read(-(output.log_softmax(1) * hot).sum(1).mean(), output)
    assert found is not None
    assert found.name == "nll_loss"


@pytest.mark.parametrize(
    "loss",
    [
        lambda o: o.mean(),
        lambda o: (o**2).mean(),
        lambda o: (o * o).sum(),
        lambda o: ((o[:4] - o[4:]) ** 2).mean(),
        lambda o: F.relu(o).sum(),
        lambda o: F.mse_loss(o, torch.zeros(8, 3)),
    ],
)
def test_other_losses_are_left_alone(output: Tensor, loss: object) -> None:
    assert read(loss(output), output) is None  # type: ignore[operator]  # a lambda of the table


def test_a_broadcast_difference_is_no_pair(output: Tensor) -> None:
    crossed = output[:, :1] - torch.randn(8)
    assert read((crossed**2).mean(), output[:, :1]) is None


@pytest.mark.parametrize(
    "pick",
    [
        lambda logs, y: -logs[torch.arange(8), y].mean(),
        lambda logs, y: -logs[range(8), y].sum() / 8,
        lambda logs, y: -logs.gather(1, y[:, None]).squeeze(1).mean(),
    ],
)
@pytest.mark.parametrize(
    "logs",
    [
        lambda o: o.log_softmax(1),
        lambda o: o.softmax(1).log(),
        lambda o: (o - o.logsumexp(1, keepdim=True)).expand(8, 3),
    ],
)
def test_cross_entropy_that_picks_the_logarithm_at_the_label(
    output: Tensor, pick: object, logs: object
) -> None:
    labels = torch.randint(3, (8,))
    loss = pick(logs(output), labels)  # type: ignore[operator]  # lambdas of the table
    found = read(loss, output)
    assert found is not None
    assert found.name == "nll_loss"
    assert torch.equal(found.target, labels)


@pytest.mark.parametrize(
    "made", [lambda o: o.softmax(1), lambda o: o.exp() / o.exp().sum(1)[:, None]]
)
@pytest.mark.parametrize("tiny", [0.0, 1e-9])
def test_the_logarithm_of_what_was_picked(output: Tensor, made: object, tiny: float) -> None:
    labels = torch.randint(3, (8,))
    shares = made(output)  # type: ignore[operator]  # lambdas of the table
    found = read(-torch.log(shares[range(8), labels] + tiny).mean(), output)
    assert found is not None
    assert found.name == "nll_loss"
    assert torch.equal(found.target, labels)
    assert torch.allclose(found.prediction, output.log_softmax(1), atol=1e-5)
    odd = output.exp()[range(8), labels].log()
    assert read(-odd.mean(), output) is None, "no probabilities"


def test_tokens_picked_along_the_last_dimension() -> None:
    scores, tokens = torch.randn(2, 5, 7, requires_grad=True), torch.randint(7, (2, 5))
    logs = scores.log_softmax(-1)
    picked = -logs.gather(-1, tokens[..., None]).squeeze(-1)
    found = read(picked.mean(), scores)
    assert found is not None
    assert torch.equal(found.target, tokens)
    assert torch.equal(found.prediction, logs.movedim(-1, 1))
    mask = (tokens > 2).float()
    assert read((picked * mask).sum() / mask.sum(), scores) is None  # not all of them count
    one = -logs.gather(-1, tokens[:, :3, None]).mean()
    assert read(one, scores) is None  # only some places


def test_the_likelihood_of_a_distribution(output: Tensor) -> None:
    labels = torch.randint(3, (8,))
    loss = -torch.distributions.Categorical(logits=output).log_prob(labels).mean()
    found = read(loss, output)
    assert found is not None
    assert torch.equal(found.target, labels)
    assert torch.allclose(found.prediction, output.log_softmax(1))
    weighted = torch.distributions.Categorical(logits=output).log_prob(labels) * torch.randn(8)
    assert read(-weighted.mean(), output) is None  # a policy gradient


def form(loss: Tensor, output: Tensor) -> tuple[str, dict[str, str]] | None:
    found = read(loss, output)
    graph = walk(loss, lambda leaf: "")
    assert graph is not None
    assert found is not None
    return library_form(graph, found, output.detach())


def test_the_library_loss_that_says_the_same_of_the_models_output(output: Tensor) -> None:
    labels, real = torch.randint(3, (8,)), torch.randn(8, 3)
    hot = F.one_hot(labels, 3).float()
    shares = output.softmax(1)
    assert form(((output - real) ** 2).mean(), output) == ("mse_loss", {})
    assert form(((output - real) ** 2).sum(), output) == ("mse_loss", {"reduction": "sum"})
    assert form((output - real).abs().sum(), output) == ("l1_loss", {"reduction": "sum"})
    assert form(((output - real) ** 2).mean() + 0.1 * output.square().sum(), output) is None
    assert form(-output.log_softmax(1)[torch.arange(8), labels].mean(), output) == (
        "cross_entropy",
        {},
    )
    assert form(-(hot * shares.log()).sum(1).mean(), shares) == ("nll_of_shares", {})
    yes = output[:, :1].sigmoid()
    binary = -(hot[:, :1] * yes.log() + (1 - hot[:, :1]) * (1 - yes).log()).mean()
    assert form(binary, yes) == ("binary_cross_entropy", {})
    assert form(binary, output[:, :1]) == ("binary_cross_entropy_with_logits", {})
    prices = 100 * real[:, :1].abs()
    nonsense = -(prices * yes.log() + (1 - prices) * (1 - yes).log()).mean()
    assert form(nonsense, yes) is None, "the library refuses targets that are no probabilities"


@pytest.mark.parametrize(
    ("called", "name"),
    [
        (lambda o: F.cross_entropy(o, torch.arange(8) % 3), "nll_loss"),
        (lambda o: F.nll_loss(o.log_softmax(1), torch.arange(8) % 3) / 4, "nll_loss"),
        (lambda o: F.mse_loss(o, torch.ones(8, 3)), "mse_loss"),
        (lambda o: F.binary_cross_entropy(o.sigmoid(), torch.ones(8, 3)), "binary_cross_entropy"),
        (
            lambda o: F.binary_cross_entropy_with_logits(o, torch.ones(8, 3)),
            "binary_cross_entropy_with_logits",
        ),
    ],
)
def test_a_library_loss_that_was_called_unseen(output: Tensor, called: Any, name: str) -> None:
    found = read(called(output), output, own=True)
    assert found is not None
    assert found.name == name
    expected = torch.arange(8) % 3 if name == "nll_loss" else torch.ones(8, 3)
    assert torch.equal(found.target, expected)
    assert found.prediction.shape == output.shape


def test_a_loss_taken_out_of_torch_before_the_watch_is_seen() -> None:
    from torch.nn.functional import cross_entropy

    def compare(output: Tensor, x: Tensor) -> Tensor:
        loss: Tensor = unpatched(cross_entropy)(output, x[:, :3].argmax(1))
        return loss

    run = trained(lambda: nn.Linear(4, 3), compare, lr=0.1)
    (objective,) = run.objectives
    assert objective.function == "nll_loss"
    assert objective.input_shape == (16, 3)
    assert run.targets() is not None


def trained(
    build: Callable[[], nn.Module], compare: Callable[[Tensor, Tensor], Tensor], lr: float = 0.01
) -> Run:
    """Twenty steps under a probe; `compare` makes the loss of outputs and inputs (16, 4)."""
    torch.manual_seed(0)
    sink = MemorySink()
    probe = Probe(sink)
    probe.start()
    try:
        net = build()
        optimizer = torch.optim.SGD(net.parameters(), lr=lr)
        for _ in range(20):
            x = torch.randn(16, 4)
            optimizer.zero_grad()
            compare(net(x), x).backward()
            optimizer.step()
    finally:
        probe.finish(0)
    return sink.run()


def unpatched(function: Any) -> Any:
    """The function as a script has it that imported it before the watch began."""
    return getattr(function, "__wrapped__", function)


def test_binary_cross_entropy_by_hand_on_prices_is_read_without_a_fault() -> None:
    def by_hand(output: Tensor, x: Tensor) -> Tensor:
        price, p = 50 + 10 * x[:, :1], output.clamp(1e-7, 1 - 1e-7)
        return -(price * p.log() + (1 - price) * (1 - p).log()).mean()

    diagnosis = diagnose(trained(lambda: nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()), by_hand))
    assert diagnosis.faults == ()
    assert [x.pitfall for x in diagnosis.alarms][:1] == ["loss-task-mismatch"]


@pytest.mark.parametrize("tiny", [0.0, 1e-7])
def test_a_likelihood_of_counts(output: Tensor, tiny: float) -> None:
    rates, target = F.softplus(output), 4 * torch.rand(8, 3)
    found = read((rates - target * torch.log(rates + tiny)).mean(), output)
    assert found is not None
    assert found.name == "poisson_nll_loss"
    assert torch.equal(found.target, target)
    assert torch.allclose(found.prediction, rates.log(), atol=1e-5)
    assert found.maker == "Softplus"


def test_labels_in_one_column_are_not_taken_for_one_class() -> None:
    def one_unit(output: Tensor, _: Tensor) -> Tensor:
        return F.cross_entropy(output, torch.randint(5, (16, 1)).float())

    targets = trained(lambda: nn.Linear(4, 1), one_unit).targets()
    assert targets is not None
    assert (targets.min, targets.max, targets.distinct) == (0, 4, 5)


def test_the_share_of_one_unit_of_one(output: Tensor) -> None:
    unit = output[:, :1].sigmoid()
    share = (unit / unit.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    labels = (torch.arange(8) % 4)[:, None].float()
    found = read(-(labels * share.log()).sum(1).mean(), output)
    assert found is not None
    assert found.name == "cross_entropy"
    assert torch.equal(found.target, labels)
    assert read(-(labels * unit.log()).sum(1).mean(), output) is None, "a policy gradient, say"
