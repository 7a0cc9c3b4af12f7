"""cross-sample-leak."""

from __future__ import annotations

import pytest

from penlight.core.facts import Exam, Graph, Inputs, Module, Op
from penlight.pitfalls.cross_sample_leak import CrossSampleLeak
from penlight.testing import check_card, fake_run, objective


def said(*facts, others=0.2, noise=0.0, samples=32, shape=(32, 8), dim=0, **fields):
    values = {"own": 0.5, "others": others, "noise": noise, "samples": samples, "dim": dim}
    exam = Exam(name="coupling", values=values)
    run = fake_run(facts=[objective(**fields), Inputs(shape=shape), exam, *facts])
    return list(CrossSampleLeak().detect(run))


def test_card():
    assert check_card(CrossSampleLeak()) == []


def test_others_move():
    (found,) = said(Module(name="rnn", type="GRU", source="net.py:7"))
    assert found.severity == "critical"
    assert found.exact
    assert "batch of 32" in found.says
    assert "other 31" in found.says
    assert (found.where, found.source) == ("rnn", "net.py:7")


def test_a_layer_that_takes_the_samples_for_time_steps():
    late = {"shape": (20, 32, 8), "dim": 1}
    (found,) = said(Module(name="rnn", type="LSTM"), **late)
    assert "Leave batch_first=True out" in found.prescriptions[0].do
    assert not said(Module(name="mix", type="Linear"), **late)  # nodes of a graph, and the like


@pytest.mark.parametrize("others", [0.0, 1e-7])
def test_rounding_is_no_leak(others):
    assert not said(others=others)


def test_randomness_is_no_evidence():
    assert not said(others=0.2, noise=0.1)


@pytest.mark.parametrize(
    "fields",
    [
        {"input_shape": (20, 16, 4), "target_shape": (20, 16), "samples": 20},  # (time, batch, ...)
        {"input_shape": (32, 32)},  # similarities
        {"target_shape": (640,)},
        {"shape": (32, 32, 5)},  # as many steps as samples: which is which?
    ],
)
def test_where_the_first_dimension_may_not_be_the_batch(fields):
    assert not said(**fields)


def test_batch_statistics_in_evaluation_are_a_choice():
    settings = {"track_running_stats": False}
    assert not said(Module(name="norm", type="BatchNorm1d", settings=settings))


def test_graph_networks_mix_rows_on_purpose():
    loss = Op("NllLoss", (), (1,))
    mixing = Op("Mm", (32, 10), (2,))  # adjacency @ features
    layer = Op("Addmm", (32, 10), (3,))
    weight = Op("AccumulateGrad", (10, 8), (), "lin.weight")
    assert not said(Graph(ops=(loss, mixing, layer, weight)))
    assert not said(Graph(ops=(Op("NllLoss", (), (1,)), Op("ScatterAdd", (32, 10)))))
    assert said(Graph(ops=(Op("NllLoss", (), (1,)), Op("Addmm", (32, 10), (2,)), weight)))


class TestCarriedState:
    """A recurrent net reads 160 sequences in batches of 20."""

    def findings(self, watched, forward, shuffle=True, chunks=1):
        torch = pytest.importorskip("torch")
        nn = torch.nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn = nn.LSTM(3, 16, batch_first=True)
                self.reader = nn.GRU(3, 16, batch_first=True)
                self.head = nn.Linear(16, 2)
                self.state = None

            def forward(self, x):
                return self.head(forward(self, x)[:, -1])

        with watched() as sink:
            x = torch.randn(160, 8, 3)
            y = (x.sum((1, 2)) > 0).long()
            rows = torch.utils.data.TensorDataset(x, y)
            net = Net()
            optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
            for _ in range(4):
                for a, b in torch.utils.data.DataLoader(rows, batch_size=20, shuffle=shuffle):
                    if chunks > 1:
                        net.state = None  # each sequence is read in parts
                    for part in a.chunk(chunks, 1):
                        optimizer.zero_grad()
                        nn.functional.cross_entropy(net(part), b).backward()
                        optimizer.step()
        return list(CrossSampleLeak().detect(sink.run()))

    @staticmethod
    def keeps(net, x):
        out, state = net.rnn(x, net.state)
        net.state = tuple(s.detach() for s in state)
        return out

    def test_of_shuffled_rows(self, watched):
        (found,) = self.findings(watched, self.keeps)
        assert found.where == "rnn"
        assert "belongs to another" in found.says

    def test_of_rows_in_order(self, watched):
        assert not self.findings(watched, self.keeps, shuffle=False)

    def test_within_a_sequence(self, watched):
        assert not self.findings(watched, self.keeps, chunks=4)

    def test_none(self, watched):
        assert not self.findings(watched, lambda net, x: net.rnn(x)[0])

    def test_from_another_layer(self, watched):
        def read(net, x):
            state = net.reader(x)[1]
            return net.rnn(x, (state, 0 * state))[0]

        assert not self.findings(watched, read)
