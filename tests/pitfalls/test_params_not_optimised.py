"""params-not-optimised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penlight.core.facts import Hygiene, Module, Optimizer, Parameter, Targets
from penlight.core.vocabulary import GRAD_NORM, LOSS, TRAVEL, WEIGHT_NORM
from penlight.pitfalls._untrained import looks_untrained
from penlight.pitfalls.params_not_optimised import ParamsNotOptimised
from penlight.testing import check_card, fake_run, objective

# A Linear(64, 64) with torch's default initialisation: uniform in +-1/8.
FC1 = Parameter(
    name="fc1.weight", shape=(64, 64), reached=True, used=True, module="fc1",
    module_type="Linear", root="model", std=0.125 / 3**0.5,
)  # fmt: skip
FC2 = replace(FC1, name="fc2.weight", module="fc2")
LEFT = replace(FC2, optimised=False)


def said(*facts):
    return list(ParamsNotOptimised().detect(fake_run(facts=facts, steps=50)))


def test_card():
    assert check_card(ParamsNotOptimised()) == []


def test_all_held():
    assert not said(FC1, FC2)
    assert not said()


def test_step_is_never_called():
    idle = Hygiene(backwards=330, unstepped="Adam", unstepped_source="train.py:9")
    (found,) = list(ParamsNotOptimised().detect(fake_run(facts=[FC1, idle])))
    assert "step() of the Adam optimiser is never called" in found.says
    assert (found.severity, found.exact, found.source) == ("critical", True, "train.py:9")
    assert "optimizer.step()" in found.prescriptions[0].do
    few = replace(idle, backwards=8)
    assert not list(ParamsNotOptimised().detect(fake_run(facts=[FC1, few])))


def test_a_model_forgotten_where_two_optimisers_hold_another_one():
    decoder = replace(LEFT, root="decoder", name="decoder.out.weight")
    one, two = (Optimizer(index=i, type="Adam", parameters=1, lr=0.1) for i in range(2))
    (found,) = said(FC1, decoder, one, two)
    assert found.severity == "critical"
    assert "while 1 others are in two" in found.says
    assert "meant for decoder" in found.says
    assert not said(FC1, decoder, one), "it may be left alone on purpose"
    trained = replace(decoder, std=0.5)
    assert not said(FC1, trained, one, two)


def moved(travel=0.0, gradient=0.1, lr=0.01, looks=40, **optimizer):
    """fc1 moves, fc2 as told."""
    of = {"fc1.weight": 0.02, "fc2.weight": travel}
    series = {(TRAVEL, name): [x * (i + 1) for i in range(looks)] for name, x in of.items()}
    series |= {(WEIGHT_NORM, name): [4.6 + x] * looks for name, x in of.items()}
    series |= {(GRAD_NORM, name): [gradient] * looks for name in of}
    held = Optimizer(type="Adam", parameters=2, lr=lr, **{"groups": 1, **optimizer})
    return list(ParamsNotOptimised().detect(fake_run(series, [FC1, FC2, held], steps=looks)))


def test_a_weight_that_no_step_moves():
    (found,) = moved()
    assert "No step has moved fc2.weight: Adam holds it" in found.says
    assert (found.severity, found.where) == ("critical", "fc2")


@pytest.mark.parametrize(
    "changes",
    [
        {"travel": 1e-6},  # it moves, if slowly
        {"gradient": 0.0},  # nothing to move it
        {"lr": 1e-9},  # no float32 stores such a step
        {"looks": 10},
        {"groups": 2},  # one may have a rate of zero
    ],
)
def test_a_weight_that_need_not_move(changes):
    assert not moved(**changes)


def test_a_layer_in_a_plain_list():
    hidden = Parameter(
        name="unnamed(64, 64)", shape=(64, 64), registered=False, optimised=False, reached=True
    )
    (found,) = said(FC1, hidden)
    assert found.severity == "critical"
    assert found.exact
    assert "not registered" in found.says
    assert "50% of the weights" in found.says


def test_random_weights_left_out():
    (found,) = said(FC1, LEFT)
    assert found.severity == "critical"
    assert found.where == "fc2"
    small = replace(LEFT, shape=(16, 64))
    assert said(FC1, small)[0].severity == "warning"


@pytest.mark.parametrize(
    "left",
    [
        replace(LEFT, requires_grad=False),  # frozen on purpose
        replace(LEFT, reached=False),  # unused branch, teacher
        replace(LEFT, std=0.11),  # trained before
        replace(LEFT, mean=0.02),  # trained before
        replace(LEFT, root="vgg"),  # another network that only judges
    ],
)
def test_deliberate(left):
    assert not said(FC1, left)


def test_optimiser_of_another_model():
    other = replace(FC1, root="old", reached=False)
    (found,) = said(other, LEFT, Hygiene(steps=50, backwards=50, empty_steps=50))
    assert "another model" in found.says
    assert found.exact


def test_only_frozen_weights_held():
    (found,) = said(Optimizer(type="Adam", parameters=2, frozen=2), FC1)
    assert "can train nothing" in found.says
    assert not said(Optimizer(type="Adam", parameters=4, frozen=2), FC1)


def test_only_the_output_layer_is_frozen():
    line = [
        Module(name="fc1", type="Linear", order=0, root="model"),
        Module(name="fc2", type="Linear", order=1, root="model"),
    ]
    (found,) = said(FC1, replace(FC2, requires_grad=False, reached=False), *line)
    assert found.severity == "warning"
    assert "output layer fc2 is frozen" in found.says
    assert not said(replace(FC1, requires_grad=False), FC2, *line)  # a frozen trunk
    assert not said(FC1, replace(FC2, requires_grad=False, optimised=False), *line)


def test_looks_untrained():
    assert looks_untrained(FC1) is True
    assert looks_untrained(replace(FC1, std=0.11)) is False
    assert looks_untrained(replace(FC1, shape=(64,))) is None
    assert looks_untrained(replace(FC1, shape=(4, 4))) is None
    embedding = Parameter(shape=(500, 16), std=1.0, module_type="Embedding")
    assert looks_untrained(embedding) is True
    recurrent = Parameter(shape=(256, 8), std=0.125 / 3**0.5, module_type="LSTM")
    assert looks_untrained(recurrent) is True


def test_a_layer_frozen_at_its_random_start():
    frozen = replace(FC1, requires_grad=False, optimised=False)
    site = "cross_entropy@train.py:1"
    aim = [objective(), Targets(objective=site, samples=1000, classes=(100,) * 10)]
    head = replace(FC2, name="head.weight", module="head")
    layers = [Module(name=n, type="Linear", order=i) for i, n in enumerate(("fc1", "fc2", "head"))]

    def found(loss, *facts, **series):
        run = fake_run({LOSS: loss, **series}, [*facts, head, *aim, *layers])
        return list(ParamsNotOptimised().detect(run))

    second = replace(FC2, requires_grad=False, optimised=False)
    stuck, learns = [2.3] * 50, [2.3 * 0.9**i for i in range(50)]
    (said,) = found(stuck, frozen, second)
    assert "frozen (requires_grad=False) at their random start values" in said.says
    assert not found(learns, frozen, second)  # random features are enough
    assert not found(stuck, replace(frozen, std=0.11), replace(second, std=0.11))  # pretrained
    moved = {(TRAVEL, "fc1.weight"): [0.1, 0.4], (TRAVEL, "fc2.weight"): [0.1, 0.4]}
    assert not list(
        ParamsNotOptimised().detect(
            fake_run({LOSS: stuck, **moved}, [frozen, second, head, *aim, *layers])
        )
    )  # trained first, frozen then


def test_trained_layers_that_are_wrapped_and_frozen(watched):
    """Adapters: the layer inside has another name now, and is the one that was trained."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Adapted(nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base, self.down, self.up = base, nn.Linear(16, 2), nn.Linear(2, 64)
            nn.init.zeros_(self.up.weight)

        def forward(self, x):
            return self.base(x) + self.up(self.down(x))

    x, y = torch.randn(256, 16), torch.randint(0, 4, (256,))
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4))

    def fit(steps):
        held = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(held, lr=1e-3)
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

    with watched() as sink:
        fit(50)
        model.requires_grad_(False)
        model[0] = Adapted(model[0])
        fit(100)
    run = sink.run()
    (base,) = [p for p in run.parameters if p.shape == (64, 16)]
    assert (base.since, base.optimised, base.requires_grad) == (0, True, False)


class TestNewHead:
    """A recurrent net learns to tell a mean, then gets a new head for another question."""

    def findings(self, watched, prepare):
        torch = pytest.importorskip("torch")
        nn = torch.nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn = nn.GRU(3, 24, batch_first=True)
                self.norm = nn.LayerNorm(24)
                self.head = nn.Linear(24, 4)

            def forward(self, x):
                return self.head(self.norm(self.rnn(x)[1][0]))

        def fit(net, y, steps):
            optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-2)
            for step in range(steps):
                rows = torch.arange(40) + 40 * (step % 10)
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
                optimizer.step()

        def parts(values):
            return torch.bucketize(values, values.quantile(torch.tensor([0.25, 0.5, 0.75])))

        with watched() as sink:
            x = torch.randn(400, 6, 3)
            net = Net()
            fit(net, parts(x.mean((1, 2))), 80)
            prepare(net, nn)
            fit(net, parts(x[:, :, 0].mean(1)), 60)
        return list(ParamsNotOptimised().detect(sink.run()))

    @staticmethod
    def only(net, *trained):
        for name, p in net.named_parameters():
            p.requires_grad = any(word in name for word in trained)

    def test_frozen_with_the_rest(self, watched):
        def prepare(net, nn):
            net.head = nn.Linear(24, 4)
            self.only(net, "bias", "norm")

        (found,) = self.findings(watched, prepare)
        assert found.where == "head"
        assert "frozen (requires_grad=False) at their random start values" in found.says

    def test_trained(self, watched):
        def prepare(net, nn):
            net.head = nn.Linear(24, 4)
            self.only(net, "head")

        assert not self.findings(watched, prepare)

    def test_the_old_one_is_kept(self, watched):
        assert not self.findings(watched, lambda net, nn: self.only(net, "bias", "norm"))

    def test_all_is_trained_but_the_new_head(self, watched):
        def prepare(net, nn):
            net.head = nn.Linear(24, 4)
            self.only(net, "rnn", "norm")

        assert not self.findings(watched, prepare)  # it learns all the same: a fixed classifier


def test_a_second_model_under_the_first_ones_optimiser():
    second = replace(LEFT, name="second.fc2.weight", root="second", since=30)
    seen = Hygiene(steps=50, backwards=50, empty_steps=20)
    (found,) = said(FC1, second, seen)
    assert found.exact
    assert "since step 30 second is trained, not what the optimiser was given" in found.says
    assert not said(FC1, second, replace(seen, empty_steps=17))  # it is stepped now and then
    assert not said(FC1, second, replace(seen, empty_steps=0))
