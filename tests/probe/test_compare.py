"""Accuracy of evaluation passes that call no loss function."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core.facts import Predictions  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.probe.compare import paired  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

COUNTS = {
    "==": lambda out, y: (out.argmax(1) == y).float().mean(),
    "eq": lambda out, y: out.max(1)[1].eq(y).sum(),
    "torch.eq": lambda out, y: torch.eq(y, out.argmax(dim=1)).sum(),
    "column": lambda out, y: out.data.max(1, keepdim=True)[1].eq(y.view(-1, 1)).sum(),
}


def watched(count, epochs: int = 3, with_loss: bool = False) -> tuple[Run, list[float]]:
    """A small training that counts hits on 60 held-out samples after each epoch."""
    torch.manual_seed(0)
    x = torch.randn(260, 6)
    y = (x[:, 0] + 0.3 * torch.randn(260) > 0).long()
    sink = MemorySink()
    probe = Probe(sink)
    probe.start()
    try:
        net = nn.Linear(6, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        truth = []
        for _ in range(epochs):
            for batch in torch.randperm(200).split(50):
                optimizer.zero_grad()
                out = net(x[batch])
                assert not count(out, y[batch]) < 0  # hits on a training batch are not evaluation
                F.cross_entropy(out, y[batch]).backward()
                optimizer.step()
            with torch.no_grad():
                for part in torch.arange(200, 260).split(20):
                    out = net(x[part])
                    if with_loss:
                        F.cross_entropy(out, y[part])
                    count(out, y[part])
                truth.append(float((net(x[200:]).argmax(1).numpy() == y[200:].numpy()).mean()))
    finally:
        probe.finish()
    return sink.run(), truth


def passes(run: Run) -> list[Predictions]:
    return [p for p in run.evaluations() if p.objective.startswith("accuracy@")]


@pytest.mark.parametrize("form", COUNTS)
def test_the_usual_ways_to_count_hits(form: str) -> None:
    run, truth = watched(COUNTS[form])
    assert [p.samples for p in passes(run)] == [60] * 3
    assert [p.accuracy for p in passes(run)] == pytest.approx(truth)
    assert all(sum(p.labels) == sum(p.predicted) == 60 for p in passes(run))
    assert [p.training_rows for p in passes(run)] == [0.0] * 3


def test_a_loss_function_that_counts_the_same_passes_has_precedence() -> None:
    run, truth = watched(COUNTS["=="], with_loss=True)
    assert not passes(run)
    assert [p.accuracy for p in run.evaluations()] == pytest.approx(truth)


def test_passes_over_known_and_new_samples_are_told_apart() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(80, 4), torch.randint(2, (80,))
    sink = MemorySink()
    probe = Probe(sink)
    probe.start()
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    F.cross_entropy(net(x[:50]), y[:50]).backward()
    optimizer.step()

    def accuracy(x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            return (net(x).argmax(1) == y).float().mean()

    accuracy(x[:50], y[:50])
    accuracy(x[50:], y[50:])
    probe.finish()
    seen = [(p.samples, p.training_rows) for p in sink.run().evaluations(held_out=False)]
    assert sorted(seen) == [(30, 0.0), (50, 1.0)]


def test_one_function_for_both_sets_of_data() -> None:
    """The same loss call judges the training set and a held-out set of which a quarter is known."""
    torch.manual_seed(0)
    x, y = torch.randn(120, 4), torch.randint(2, (120,))
    held_x, held_y = torch.randn(40, 4), torch.randint(2, (40,))
    held_x[::4] = x[:10]
    sink = MemorySink()
    probe = Probe(sink)
    probe.start()
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def evaluate(x: Tensor, y: Tensor) -> None:
        with torch.no_grad():
            for rows in torch.arange(len(x)).split(20):
                F.cross_entropy(net(x[rows]), y[rows])

    for _ in range(3):
        for rows in torch.randperm(120).split(30):
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
        evaluate(x, y)
        evaluate(held_x, held_y)
    probe.finish()
    seen = [(p.samples, p.training_rows) for p in sink.run().evaluations(held_out=False)]
    assert sorted(seen) == [(40, 0.25)] * 3 + [(120, 1.0)] * 3
    assert [p.paired_t is None for p in sink.run().evaluations()] == [True, False, False]


def test_equality_is_torchs_own_again_afterwards() -> None:
    own = torch.eq
    watched(COUNTS["=="], epochs=1)
    assert torch.eq is own
    assert "__eq__" not in vars(Tensor)
    assert "eq" not in vars(Tensor)


@pytest.mark.parametrize(
    ("output", "border"),
    [
        (torch.tensor([[0.2], [0.8], [0.6], [0.1]]), 0.5),
        (torch.tensor([[-2.0], [3.0], [0.2], [-0.1]]), 0.0),
    ],
)
def test_one_unit_for_yes_and_no(output: Tensor, border: float) -> None:
    y = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    found = paired(output, (output > border).float(), y)
    assert found is not None
    labels, guesses, classes = found
    assert labels.tolist() == [0, 1, 0, 1]
    assert guesses.tolist() == [0, 1, 1, 0]
    assert classes == 2


def test_what_the_output_does_not_say_is_no_prediction() -> None:
    output = torch.tensor([[0.1, 0.9], [0.8, 0.2]])
    assert paired(output, torch.tensor([0, 1]), torch.tensor([0, 0])) is None
    assert paired(output, torch.tensor([1, 0]), torch.tensor([-1, 1])) is None
    assert paired(output, torch.tensor([1, 0]), torch.tensor([0.5, 1])) is None


def test_each_pixel_has_a_class() -> None:
    output = torch.randn(2, 5, 3, 3)
    guess, y = output.argmax(1), torch.randint(5, (2, 3, 3))
    found = paired(output, guess, y)
    assert found is not None
    assert torch.equal(found[0], y.reshape(-1))
    assert found[2] == 5
