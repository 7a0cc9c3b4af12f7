"""Experiments after the training: they find what they are for, and change nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from time import thread_time

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from penlight.core import facts as f  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.diagnosis import diagnose  # noqa: E402
from penlight.probe import Probe  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

Compare = Callable[[Tensor, Tensor], Tensor]


def flat(output: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(output.reshape(-1, output.shape[-1]), y.reshape(-1))


def train(
    net: nn.Module, x: Tensor, y: Tensor, lr: float = 0.05, steps: int = 40, compare: Compare = flat
) -> Run:
    """Train on random batches of (x, y) under a probe with time for everything."""

    def losses() -> Iterator[Tensor]:
        rows = torch.randint(len(x), (32,))
        yield compare(net(x[rows]), y[rows])

    return stepped(net, losses, lr, steps)


def stepped(
    net: nn.Module, losses: Callable[[], Iterable[Tensor]], lr: float = 0.05, steps: int = 40
) -> Run:
    """Train by the losses of each step, one backward pass for each."""
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        for loss in losses():
            loss.backward()
        optimizer.step()
    probe.finish(0)
    return sink.run()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def table() -> tuple[Tensor, Tensor]:
    x = torch.randn(300, 6)
    return x, x[:, :3].argmax(1)


def mlp(*extra: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), *extra, nn.Linear(32, 3))


def test_a_rate_that_is_too_low_gains_in_proportion() -> None:
    values = train(mlp(), *table(), lr=1e-4).exam("rates")
    assert values is not None
    fall = {k: values.values["start"] - values.values[k] for k in ("x1", "x10")}
    assert 8 < fall["x10"] / fall["x1"] < 12


def test_a_rate_that_is_too_high_is_beaten_by_a_tenth_of_it() -> None:
    values = train(mlp(), *table(), lr=30.0).exam("rates")
    assert values is not None
    assert values.values["x0.1"] < values.values["x1"] or values.values["x1"] != values.values["x1"]


class Mixed(nn.Module):
    """Normalises over the batch by hand, also in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x - x.mean(0))


@pytest.mark.parametrize(("build", "leaks"), [(mlp, False), (Mixed, True)])
def test_samples_that_influence_each_other(build: Callable[[], nn.Module], leaks: bool) -> None:
    exam = train(build(), *table()).exam("coupling")
    assert exam is not None
    assert (exam.values["others"] > 1e-6) == leaks
    assert exam.values["own"] > 0


class Sideways(nn.Module):
    """An LSTM that takes the samples for time steps, read at the last token."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(9, 8), nn.Linear(8, 3)
        self.lstm = nn.LSTM(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(x))[0][:, -1])


def test_tokens_in_which_two_samples_agree() -> None:
    x = torch.randint(2, 9, (300, 5))
    x[:, -1] = (torch.rand(300) < 0.2).long()  # most sentences end alike
    exam = train(Sideways(), x, x[:, 0] % 3).exam("coupling")
    assert exam is not None
    assert exam.values["others"] > 1e-6


@pytest.mark.parametrize("batch_first", [False, True])
def test_samples_behind_the_time_steps(batch_first: bool) -> None:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(6, 8, batch_first=batch_first), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.lstm(x)[0][-1])

    x, y = torch.randn(300, 5, 6), torch.randint(3, (300,))
    net = TimeFirst()

    def losses() -> Iterator[Tensor]:
        rows = torch.randint(300, (32,))
        yield F.cross_entropy(net(x[rows].transpose(0, 1)), y[rows])

    exam = stepped(net, losses).exam("coupling")
    assert exam is not None
    assert (exam.values["dim"], exam.values["samples"]) == (1, 32)
    assert (exam.values["others"] > 1e-6) == batch_first


def test_batch_norm_in_evaluation_is_no_leak() -> None:
    exam = train(mlp(nn.BatchNorm1d(32)), *table()).exam("coupling")
    assert exam is not None
    assert exam.values["others"] == 0


def test_dropout_that_ignores_eval_is_no_leak_but_noise() -> None:
    class Loose(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(F.dropout(x, 0.5))

    exam = train(Loose(), *table()).exam("coupling")
    assert exam is not None
    assert exam.values["others"] == 0
    assert exam.values["noise"] > 0


class Reader(nn.Module):
    """Predicts the next token from the running mean of those so far, or of all."""

    def __init__(self, honest: bool) -> None:
        super().__init__()
        self.embed, self.head, self.honest = nn.Embedding(9, 16), nn.Linear(16, 9), honest

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        count = torch.arange(1, x.shape[1] + 1)[None, :, None]
        seen = x.cumsum(1) / count if self.honest else x.mean(1, keepdim=True).expand_as(x) + x
        return self.head(seen)


@pytest.mark.parametrize("honest", [True, False])
def test_a_model_that_looks_at_the_next_token(honest: bool) -> None:
    text = torch.randint(9, (400, 13))
    exam = train(Reader(honest), text[:, :-1], text[:, 1:]).exam("causality")
    assert exam is not None
    assert (exam.values["earlier"] > 1e-6) != honest


@pytest.mark.parametrize("honest", [True, False])
def test_a_model_that_looks_at_the_next_token_where_time_comes_first(honest: bool) -> None:
    text = torch.randint(9, (400, 13))

    class TimeFirst(Reader):
        def forward(self, tokens: Tensor) -> Tensor:
            return super().forward(tokens.T).transpose(0, 1)

    net = TimeFirst(honest)

    def losses() -> Iterator[Tensor]:
        part = text[torch.randint(len(text), (12,))].T  # a square: no shape tells what is time
        yield flat(net(part[:-1]), part[1:])

    run = stepped(net, losses)
    exam = run.exam("causality")
    assert exam is not None
    assert exam.values["following"] == 1
    assert (exam.values["earlier"] > 1e-6) != honest
    assert ("causal-leak" in {x.pitfall for x in diagnose(run).findings}) != honest


class Bag(nn.Module):
    """Attention over embedded tokens, told their places or not, with one answer a row or each."""

    def __init__(self, placed: bool, each: bool) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(9, 16), nn.Embedding(12, 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head, self.placed, self.each = nn.Linear(16, 4), placed, each

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1]) if self.placed else torch.zeros_like(tokens[0])
        x = self.token(tokens) + self.place(places)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(x if self.each else x.mean(1))


@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("placed", [True, False])
def test_tokens_dealt_anew(placed: bool, each: bool) -> None:
    x = torch.randint(9, (200, 12))
    y = torch.randint(4, (200, 12) if each else (200,))
    exam = train(Bag(placed, each), x, y).exam("order")
    assert exam is not None
    assert (exam.values["apart"] > 1e-3) == placed
    assert exam.values["other"] > 1e-2


class ByRow(Bag):
    """Places are counted along the wrong dimension."""

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + torch.linspace(-1, 1, len(tokens))[:, None, None]
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(x)


@pytest.mark.parametrize(("model", "turned"), [(Bag(True, True), False), (ByRow(True, True), True)])
def test_rows_in_the_opposite_order(model: nn.Module, turned: bool) -> None:
    exam = train(model, torch.randint(9, (200, 12)), torch.randint(4, (200, 12))).exam("order")
    assert exam is not None
    assert (exam.values["turned"] > 1e-2) == turned
    assert turned or exam.values["turned"] < 1e-5


class Steps(nn.Module):
    """Attention over vectors without their places, with one answer each."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 16, 0.0, batch_first=first)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


@pytest.mark.parametrize("told", [True, False])
def test_vectors_dealt_anew(told: bool) -> None:
    """Targets that follow the place, or nothing but the vector itself."""
    x = torch.randn(200, 12, 4)
    place = torch.linspace(-2, 2, 12)[None, :, None]
    y = x + place if told else 2 * x
    exam = train(Steps(first=True), x, y, compare=F.mse_loss).exam("order")
    assert exam is not None
    assert exam.values["apart"] < 1e-4 < exam.values["other"]
    assert 0.8 < exam.values["smooth"] < 1.2
    assert (exam.values["placed"] > 0.2) == (exam.values["placed_f"] > 10) == told


def test_vectors_with_time_in_front_are_not_dealt() -> None:
    x = torch.randn(200, 12, 4)
    assert train(Steps(first=False), x, x, compare=F.mse_loss).exam("order") is None


def test_a_part_that_is_called_beside_the_model() -> None:
    """As for a penalty on some of its weights: what the whole was given is known all the same."""
    net = Bag(placed=True, each=False)
    x, y = torch.randint(9, (200, 12)), torch.randint(4, (200,))

    def losses() -> Iterator[Tensor]:
        rows = torch.randint(200, (32,))
        output, used = net(x[rows]), net.token(x[rows])
        yield F.cross_entropy(output, y[rows]) + 0.01 * used.square().mean()

    assert stepped(net, losses).exam("rates") is not None


class Translator(nn.Module):
    """Reads one sequence whole, and continues another, with a mask or with one that is dropped."""

    def __init__(self, honest: bool) -> None:
        super().__init__()
        self.token, self.head, self.honest = nn.Embedding(9, 16), nn.Linear(16, 9), honest

    def forward(self, source: Tensor, begun: Tensor) -> Tensor:
        x = self.token(begun)
        scores, ahead = x @ x.mT, torch.ones(x.shape[1], x.shape[1]).triu(1) > 0
        masked = scores.masked_fill(ahead, -torch.inf)
        weights = (masked if self.honest else scores).softmax(-1)
        return self.head(weights @ x + self.token(source).mean(1, keepdim=True))


@pytest.mark.parametrize("honest", [True, False])
def test_a_translator_that_looks_at_the_next_token(honest: bool) -> None:
    net, source, text = Translator(honest), torch.randint(9, (400, 10)), torch.randint(9, (400, 13))

    def losses() -> Iterator[Tensor]:
        rows = torch.randint(400, (32,))
        yield flat(net(source[rows], text[rows, :-1]), text[rows, 1:])

    exam = stepped(net, losses).exam("causality")
    assert exam is not None
    assert (exam.values["earlier"] > 1e-6) != honest


@pytest.mark.parametrize("shown", [slice(0, -1), slice(1, None)], ids=["begun", "all of it"])
def test_a_translator_into_what_it_is_given(shown: slice) -> None:
    """As one that removes noise: its encoder may see it all, its decoder what comes before."""
    net, text = Translator(honest=True), torch.randint(9, (400, 13))

    def losses() -> Iterator[Tensor]:
        rows = torch.randint(400, (32,))
        yield flat(net(text[rows], text[rows, shown]), text[rows, 1:])

    exam = stepped(net, losses).exam("causality")
    assert exam is not None
    assert exam.values["earlier"] < 1e-6 < exam.values["own"]
    assert (exam.values["copied"] == 1.0) == (shown.start == 1)


@pytest.mark.parametrize("shifts", [True, False])
def test_targets_that_a_model_is_given_are_not_what_it_reads(shifts: bool) -> None:
    class Own(Reader):
        def forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            scores = super().forward(x)
            if shifts:
                return scores, flat(scores[:, :-1], labels[:, 1:])
            return scores, flat(scores, labels)

    net, text = Own(False), torch.randint(9, (400, 13))

    def losses() -> Iterator[Tensor]:
        rows = torch.randint(400, (32,))
        x, labels = (text, text) if shifts else (text[:, :-1], text[:, 1:])
        yield net(x[rows], labels[rows])[1]

    exam = stepped(net, losses).exam("causality")
    assert exam is not None
    assert exam.values["following"] > 0.99
    assert exam.values["earlier"] > 1e-6


COMPARED: dict[str, tuple[slice, Compare]] = {
    "classes second": (slice(1, None), lambda o, y: F.cross_entropy(o.transpose(1, 2), y)),
    "permuted": (slice(1, None), lambda o, y: F.cross_entropy(o.permute(0, 2, 1), y)),
    "shifted": (slice(None), lambda o, y: flat(o[:, :-1], y[:, 1:])),
    "shifted, classes second": (
        slice(None), lambda o, y: F.cross_entropy(o[:, :-1].transpose(1, 2), y[:, 1:])
    ),
}  # fmt: skip


@pytest.mark.parametrize("style", COMPARED)
def test_however_the_tokens_are_compared(style: str) -> None:
    part, compare = COMPARED[style]
    text = torch.randint(9, (400, 13))
    x = text if part.start is None else text[:, :-1]
    run = train(Reader(False), x, text[:, part], compare=compare)
    exam = run.exam("causality")
    assert exam is not None
    assert exam.values["following"] > 0.99
    assert exam.values["earlier"] > 1e-6
    assert run.exam("rates") is not None


def test_the_last_step_of_a_sequence() -> None:
    series = torch.randn(300, 10, 6)
    run = train(
        nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)),
        series, series[:, -1, :3].argmax(1), compare=lambda o, y: F.cross_entropy(o[:, -1], y),
    )  # fmt: skip
    dealt = run.exam("shuffled")
    assert dealt is not None
    assert dealt.values["shuffled"] > dealt.values["true"]


def test_a_model_that_is_asked_for_what_it_reads() -> None:
    text = torch.randint(9, (400, 12))
    for compare in (flat, lambda o, y: flat(o[:, :-1], y[:, :-1])):
        exam = train(Reader(True), text, text, compare=compare).exam("causality")
        assert exam is not None
        assert exam.values["copied"] == 1.0
        assert exam.values["following"] < 0.3
        assert exam.values["earlier"] < 1e-6 < exam.values["own"]


def test_targets_that_were_shifted_twice() -> None:
    text = torch.randint(9, (400, 14))
    by_hand = train(Reader(True), text[:, :-2], text[:, 2:])
    inside = train(
        Reader(True), text[:, :-1], text[:, 1:], compare=lambda o, y: flat(o[:, :-1], y[:, 1:])
    )
    ignored = train(  # as transformers does it: the last place is left out of the loss
        Reader(True), text[:, :-1], F.pad(text[:, 2:], (0, 1), value=-100)
    )
    for run in (by_hand, inside, ignored):
        exam = run.exam("causality")
        assert exam is not None
        assert exam.values["skipped"] == 1.0
        assert max(exam.values["following"], exam.values["copied"]) < 0.3
        assert exam.values["earlier"] < 1e-6


def test_a_model_that_shifts_its_targets_twice() -> None:
    class Twice(Judges):
        def forward(self, ids: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:  # type: ignore[override]  # fewer options
            logits = self.head(self.embed(ids))
            loss = flat(logits[:, :-2], ids[:, 2:])
            return {"loss": loss, "logits": logits}

    net, tokens = Twice(), torch.randint(9, (300, 12))

    def losses() -> Iterator[Tensor]:
        ids = tokens[torch.randint(300, (32,))]
        yield net(ids, labels=ids)["loss"]

    exam = stepped(net, losses).exam("causality")
    assert exam is not None
    assert exam.values["skipped"] == 1.0
    assert exam.values["earlier"] == 0.0


def test_padding_that_agrees_with_padding_makes_no_language_model() -> None:
    words = torch.randint(1, 9, (400, 12))
    tags = torch.randint(1, 9, (9,))[words]
    padded = [F.pad(t, (0, 28)) for t in (words, tags)]
    assert train(Reader(False), *padded).exam("causality") is None
    text = F.pad(torch.randint(1, 9, (400, 13)), (0, 28))
    exam = train(Reader(False), text[:, :-1], text[:, 1:]).exam("causality")
    assert exam is not None


def test_a_slow_model_is_not_run_beyond_the_time_for_it() -> None:
    class Slow(nn.Module):
        passes = 0

        def __init__(self) -> None:
            super().__init__()
            self.net = mlp()

        def forward(self, x: Tensor) -> Tensor:
            Slow.passes += 1
            end = thread_time() + 0.1
            while thread_time() < end:
                torch.ones(100).sum()
            return self.net(x)

    sink = MemorySink()
    probe = Probe(sink, budget=0.01)
    probe.start()
    net, (x, y) = Slow(), table()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    trained = Slow.passes
    probe.finish(0)
    assert Slow.passes - trained <= 15  # 1.3 seconds, and the one that was under way


def test_a_parameter_behind_a_broken_chain_is_felt() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.net = nn.Parameter(torch.ones(6)), mlp()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x * self.scale.detach())

    exam = train(Scaled(), *table()).exam("cut")
    assert exam is not None
    assert list(exam.values["felt"]) == ["scale"]


def test_a_healthy_model_has_no_broken_chain() -> None:
    assert train(mlp(), *table()).exam("cut") is None


def test_a_model_that_learnt_needs_its_inputs() -> None:
    exam = train(mlp(), *table(), lr=0.3, steps=200).exam("shuffled")
    assert exam is not None
    assert exam.values["shuffled"] > 2 * exam.values["true"]
    assert exam.values["accuracy"] > 0.8
    assert 0.2 < exam.values["majority"] < 0.7


class Picky(nn.Module):
    """Answers as long as it is trained, as a model that wants its targets does."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            raise ValueError("targets should be passed in training mode only")
        return self.net(x)


def test_an_experiment_that_the_model_refuses_ends_no_other_one() -> None:
    x = torch.randn(96, 4)
    run = train(Picky(), x, (x[:, 0] > 0).long())
    assert run.exam("modes") is None
    assert run.exam("rates") is not None
    (blind,) = run.all(f.Blind)
    assert "refused the experiment" in blind.why
    assert "in training mode only" in blind.why


def test_a_model_rebuilt_on_the_way_is_told_as_unseen() -> None:
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    net, (x, y) = mlp(), table()
    for head in (3, 5):
        net[-1] = nn.Linear(32, head)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(net(x[:32]), y[:32]).backward()
            optimizer.step()
    probe.finish(0)
    run = sink.run()
    assert run.exam("rates") is None
    assert [b.what for b in run.facts if type(b).__name__ == "Blind"] == ["replays"]
    assert [b for b in run.facts if type(b).__name__ == "Fault"] == []


@pytest.mark.parametrize("mixed", [False, True])
def test_what_half_of_the_rows_say_about_the_others(mixed: bool) -> None:
    x, y = table()
    exam = train(mlp(), x, y[torch.randperm(300)] if mixed else y, lr=0.5).exam("halves")
    assert exam is not None
    held, guess = exam.values["held"], exam.values["guess"]
    assert exam.values["seen"] < 0.7 * guess
    assert (held > 0.98 * guess) == mixed
    assert 100 <= exam.values["rows"] <= 150


def test_a_narrow_model_is_tried_with_room() -> None:
    x = torch.randn(600, 2)
    ring = (x.norm(dim=1) > 1.18).long()
    narrow = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    values = train(narrow, x, ring, lr=0.5).exam("wide")
    assert values is not None
    assert values.values["held"] < 0.6 * values.values["own"]
    wide = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
    assert train(wide, x, ring, lr=0.5).exam("wide") is None


def test_standardised_images_and_sequences() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(4, 32), nn.Linear(32, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.first(x)).mean(1))

    x = torch.randn(300, 5, 4)
    y = x[:, :, :3].mean(1).argmax(1)
    assert train(Pooled(), x, y).exam("scaled") is None
    exam = train(Pooled(), 500 + 100 * x, y).exam("scaled")
    assert exam is not None
    assert exam.values["end"] < exam.values["start"] < 2


def test_a_replay_whose_probabilities_are_nan_is_a_bad_rate_and_no_fault() -> None:
    class Bursting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            burst = torch.log(1 - self.scale.detach().abs())  # NaN beyond 1
            return (x * self.scale + 0 * burst).sigmoid()

    x = torch.randn(64, 1)
    run = train(Bursting(), x, (x > 0).float(), lr=0.02, compare=F.binary_cross_entropy)
    assert diagnose(run).faults == ()
    rates = run.exam("rates")
    assert rates is not None
    assert math.isnan(rates.values["x100"])
    assert math.isfinite(rates.values["x1"])


@pytest.mark.parametrize("whole", ["mean", "sum", "half"])
def test_a_squared_error_by_hand_is_replayed_when_it_is_a_mean_or_a_sum(whole: str) -> None:
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    x = torch.randn(200, 4)
    y = x[:, :1] * x[:, 1:2]
    net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for _ in range(30):
        rows = torch.randint(200, (32,))
        optimizer.zero_grad()
        squares = (net(x[rows]) - y[rows]) ** 2
        {"mean": squares.mean(), "sum": squares.sum(), "half": squares.mean() / 2}[whole].backward()
        optimizer.step()
    probe.finish(0)
    assert (sink.run().exam("rates") is not None) == (whole != "half")


@pytest.mark.parametrize(("place", "reads"), [(0, False), (-1, True)])
def test_a_recurrent_net_whose_first_step_is_read(place: int, reads: bool) -> None:
    class Sequences(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.GRU(2, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.rnn(x)[0][:, place])

    x = torch.randn(200, 6, 2)
    exam = train(Sequences(), x, x[:, :3, 0].argmax(1), steps=6).exam("reach")
    assert exam is not None
    assert (exam.values["rest"] > 1e-6) == reads
    assert exam.values["first"] > 1e-6
    assert exam.values["length"] == 6


def test_a_model_that_was_frozen_at_the_end() -> None:
    sink = MemorySink()
    probe = Probe(sink, budget=10.0)
    probe.start()
    (x, y), net = table(), mlp()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(40):
        rows = torch.randint(len(x), (32,))
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    net.requires_grad_(False)
    probe.finish(0)
    run = sink.run()
    assert not run.all(f.Fault)
    assert run.exam("rates_end") is not None
    assert not any(p.requires_grad for p in net.parameters())


def test_a_model_that_gives_a_distribution() -> None:
    class Policy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp()

        def forward(self, x: Tensor) -> torch.distributions.Categorical:
            return torch.distributions.Categorical(logits=self.net(x))

    run = train(Policy(), *table(), compare=lambda o, y: -o.log_prob(y).mean())
    assert not run.all(f.Fault)
    assert {m.name for m in run.modules} >= {"net.0", "net.2"}
    assert run.objective is not None
    rates = run.exam("rates")
    assert rates is not None
    assert rates.values["x1"] < rates.values["start"]


class Judges(nn.Module):
    """Computes its own loss, as language models do: the last token has no successor."""

    def __init__(self, leaks: bool = False, penalty: bool = False) -> None:
        super().__init__()
        self.embed, self.leaks, self.penalty = nn.Embedding(9, 16), leaks, penalty
        self.head = nn.Linear(16, 9)

    def forward(
        self, ids: Tensor, labels: Tensor | None = None, mean: bool = True
    ) -> dict[str, Tensor]:
        x = self.embed(ids)
        if self.leaks:
            x = x + x.mean(1, keepdim=True)
        if self.penalty:  # no part of what is learnt by here
            return {"logits": self.head(x), "penalty": F.mse_loss(x, torch.zeros_like(x))}
        logits = self.head(x)
        if labels is None:
            return {"logits": logits}
        loss = F.cross_entropy(logits[:, :-1].reshape(-1, 9), labels[:, 1:].reshape(-1))
        return {"loss": loss if mean else loss * 2, "logits": logits}


def judged(net: Judges, parts: int = 1, **options: bool) -> Run:
    """Train a model by the loss that it computes itself, called with names."""
    tokens = torch.randint(0, 9, (300, 8))

    def losses() -> Iterator[Tensor]:
        ids = tokens[torch.randint(300, (32,))]
        for _ in range(parts):
            yield net(ids=ids, labels=ids, **options)["loss"] / parts

    return stepped(net, losses)


@pytest.mark.parametrize(("leaks", "parts"), [(False, 1), (True, 1), (True, 4)])
def test_a_model_that_computes_its_loss_itself_is_replayed_up_to_there(
    leaks: bool, parts: int
) -> None:
    run = judged(Judges(leaks), parts)
    assert not run.all(f.Fault)
    assert not run.all(f.Blind)
    found = run.exam("causality")
    assert found is not None
    assert (found.values["earlier"] > 0.01) == leaks
    assert found.values["own"] is None  # the model cuts the last output off
    rates, coupling = run.exam("rates"), run.exam("coupling")
    assert rates is not None
    assert rates.values["x10"] < rates.values["x1"] < rates.values["start"]
    assert coupling is not None
    assert coupling.values["others"] == 0.0 < coupling.values["own"]


def test_a_model_that_draws_its_targets_itself_is_not_replayed() -> None:
    class Diffusion(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp()

        def forward(self, x: Tensor) -> Tensor:
            noise = torch.randn(len(x), 3)
            return F.mse_loss(self.net(x + F.pad(noise, (0, 3))), noise)

    (x, _), net = table(), Diffusion()

    def losses() -> Iterator[Tensor]:
        yield net(x[torch.randint(len(x), (32,))])

    run = stepped(net, losses)
    assert not run.all(f.Fault)
    assert run.exam("rates") is None
    assert [blind.why for blind in run.all(f.Blind)] == [
        "the model draws its targets anew in each pass"
    ]


def test_a_loss_inside_that_is_not_what_is_learnt_by_is_not_replayed() -> None:
    run = judged(Judges(), mean=False)
    assert run.exam("rates") is None
    assert not run.all(f.Fault)


def test_a_penalty_inside_does_not_hide_the_loss_outside() -> None:
    run = train(
        Judges(penalty=True),
        torch.randint(0, 9, (300, 8)),
        torch.randint(0, 9, (300, 8)),
        compare=lambda out, y: F.cross_entropy(out["logits"].transpose(1, 2), y),
    )
    assert run.exam("rates") is not None


def test_the_functions_of_torch_are_its_own_again_behind_a_replay() -> None:
    before = F.cross_entropy
    judged(Judges())
    assert F.cross_entropy is before


def test_a_loss_inside_a_model_that_hands_out_an_object_is_seen() -> None:
    class Answer:
        def __init__(self, loss: Tensor) -> None:
            self.loss = loss

    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(6, 3)

        def forward(self, x: Tensor, y: Tensor) -> Answer:
            return Answer(F.cross_entropy(self.head(x), y))

    net, (x, y) = Hidden(), table()
    run = stepped(net, lambda: [net(x, y).loss])
    assert not run.all(f.Fault)
    assert run.objective is not None
    assert run.objective.function == "cross_entropy"
