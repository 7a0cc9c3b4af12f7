"""representation-collapse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penlight.core.facts import Exam, Graph, Module, Op
from penlight.core.vocabulary import DEPENDENCE, LOSS, OBJECTIVE_LOSS, OUTPUT_STD
from penlight.pitfalls.representation_collapse import RepresentationCollapse
from penlight.testing import check_card, fake_run, objective

BETTER = np.linspace(0.0, -1.0, 200).tolist()
GONE = np.geomspace(0.6, 0.01, 200).tolist()


LAYER = (Op("Addmm", (32, 16), (4,), module="encoder.2"), Op("AccumulateGrad", (16, 8)))
TWO_VIEWS = Graph(ops=(Op("Mean", (), (1,)), Op("Mul", (32, 16), (2, 3)), LAYER[0], *LAYER))


def said(*facts, losses=BETTER, spread=GONE, shape=(32, 16), graph=TWO_VIEWS):
    facts = (*facts, graph)
    module = Module(name="encoder.2", type="Linear", root="encoder", output_shape=shape)
    series = {LOSS: losses, (DEPENDENCE, "encoder.2"): spread}
    return list(RepresentationCollapse().detect(fake_run(series, [module, *facts])))


def test_card():
    assert check_card(RepresentationCollapse()) == []


def test_a_perfect_loss_and_one_embedding():
    (found,) = said()
    assert found.where == "encoder.2"
    assert "all inputs get the same embedding" in found.says


@pytest.mark.parametrize(
    "changes",
    [
        {"spread": np.linspace(0.6, 0.4, 200).tolist()},  # it settles, and stays varied
        {"spread": [0.02] * 200},  # it never depended on the input: another fault
        {"losses": np.linspace(0.0, 1.0, 200).tolist()},  # the loss is no better for it
        {"spread": GONE[::20]},  # too few looks
        {"shape": (32, 1)},  # an energy: its level is free to drift
    ],
)
def test_no_collapse(changes):
    assert not said(**changes)


@pytest.mark.parametrize(
    ("graph", "compared"),
    [
        ((Op("Mean", (), (1,)), Op("Sub", (32, 16), (2,)), *LAYER), False),  # with plain data
        ((Op("Mean", (), (1,)), Op("Mm", (32, 32), (2, 2)), *LAYER), True),  # all with all
        ((Op("Mean", (), (1,)), Op("Sub", (16, 16), (2, 2)), Op("Slice", (16, 16), (3,)), *LAYER),
         True),  # both views in one batch
    ],
)  # fmt: skip
def test_only_outputs_that_are_compared_can_collapse(graph, compared):
    shifted = tuple(replace(op, inputs=tuple(min(i, len(graph) - 1) for i in op.inputs))
                    for op in graph)  # fmt: skip
    assert bool(said(graph=Graph(ops=shifted))) == compared


def test_supervised_outputs_are_not_asked():
    assert not said(objective())


TWO_OUTPUTS = objective("mse_loss", target_learnt=True)


def pulled(output_std, spread=GONE, target=TWO_OUTPUTS):
    module = Module(name="encoder.2", type="Linear", root="encoder")
    losses = np.geomspace(0.005, 1e-7, 200).tolist()
    series = {
        LOSS: losses,
        (DEPENDENCE, "encoder.2"): spread,
        (OUTPUT_STD, target.site): output_std,
    }
    return list(RepresentationCollapse().detect(fake_run(series, [module, target])))


def test_a_loss_between_two_outputs():
    shrinking = np.geomspace(0.06, 0.001, 200).tolist()
    assert pulled(shrinking)
    assert pulled(shrinking, spread=np.geomspace(0.06, 0.004, 200).tolist())  # a random net is low
    assert not pulled(shrinking, spread=np.geomspace(0.06, 0.03, 200).tolist())
    assert not pulled(shrinking, target=objective("mse_loss"))  # an autoencoder
    # Values that grow, as of a bootstrapped Q net, depend less on the input and spread no less.
    assert not pulled(np.geomspace(0.06, 0.5, 200).tolist())


def trained(watched, loss):
    """Two noisy views of small pictures go through one convolutional encoder."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    with watched() as sink:
        pictures = torch.rand(8, 1, 10, 10)[torch.randint(0, 8, (200,))]
        encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 16)
        )
        head = nn.Linear(16, 16)
        optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=5e-3)
        for _ in range(160):
            rows = pictures[torch.randperm(200)[:40]]
            a, b = (encoder(rows + 0.15 * torch.randn_like(rows)) for _ in range(2))
            optimizer.zero_grad()
            loss(nn.functional, head, a, b).backward()
            optimizer.step()
    return list(RepresentationCollapse().detect(sink.run()))


def test_views_that_are_only_pulled_together(watched):
    (found,) = trained(watched, lambda F, head, a, b: F.mse_loss(a, b))
    assert found.severity == "critical"


@pytest.mark.parametrize(
    "loss",
    [
        lambda F, head, a, b: (
            F.mse_loss(a, b) + sum(F.relu(1 - z.std(0)).mean() for z in (a, b))
        ),  # variance is kept, as in VICReg
        lambda F, head, a, b: F.mse_loss(
            F.normalize(head(a), dim=1), F.normalize(b, dim=1).detach()
        ),
    ],
)
def test_views_that_are_kept_apart(watched, loss):
    assert not trained(watched, loss)


REBUILT = objective("mse_loss", input_shape=(50, 64), target_shape=(50, 64))


def rebuilt(shuffled, whole=16.0, own=1.04, steps=400, target=REBUILT, same=True):
    values = {"true": 0.52, "shuffled": shuffled, "rebuilt": same}
    series = {LOSS: [whole] * steps, (OBJECTIVE_LOSS, target.site): [own] * 30}
    run = fake_run(series, [target, Exam(name="shuffled", values=values)])
    return list(RepresentationCollapse().detect(run))


def test_a_code_that_says_nothing():
    (found,) = rebuilt(0.521)
    assert "every input the same reconstruction" in found.says
    assert "15 beside 1.04" in found.says
    assert "reduction='sum'" in found.prescriptions[0].do


def test_terms_of_a_summed_error():
    summed = objective("mse_loss", input_shape=(50, 64), target_shape=(50, 64), reduction="sum")
    (found,) = rebuilt(0.521, whole=80.0, target=summed)  # 64 x 1.04, and 13 of another term
    assert "13.4 beside 66.6" in found.says
    assert not rebuilt(0.521, whole=66.6, target=summed)


@pytest.mark.parametrize(
    "changes",
    [
        {"shuffled": 0.58},  # another input gives a worse reconstruction
        {"shuffled": float("nan")},
        {"whole": 1.04},  # a plain autoencoder: something else keeps it from learning
        {"steps": 100},  # it has hardly begun
        {"same": False},  # what it is to predict is not what it is fed
    ],
)
def test_a_code_in_use(changes):
    assert not rebuilt(**{"shuffled": 0.521, **changes})


def test_a_variance_that_is_the_same_for_all():
    """Of a Gaussian's two heads one may forget its input: the noise is the same everywhere."""
    graph = Graph(
        ops=(
            Op("Mean", (), (1,)),
            Op("Div", (32, 1), (2, 4)),
            Op("Pow", (32, 1), (3,)),
            Op("Sub", (32, 1), (5,)),
            Op("Exp", (32, 1), (6,)),
            Op("Addmm", (32, 1), (7,), module="mean"),
            Op("Addmm", (32, 1), (7,), module="encoder.2"),
            Op("Tanh", (32, 8), (8,)),
            Op("Addmm", (32, 8), (9,), module="body"),
            Op("AccumulateGrad", (8, 8), (), "body.weight"),
        )
    )
    module = Module(name="encoder.2", type="Linear", root="encoder")
    series = {LOSS: BETTER, (DEPENDENCE, "encoder.2"): GONE, (DEPENDENCE, "mean"): [0.9] * 200}
    other = Module(name="critic", type="Linear", root="critic")  # a loss may compare the two
    found = RepresentationCollapse().detect
    assert not list(found(fake_run(series, [module, other, graph])))
    series[(DEPENDENCE, "mean")] = GONE
    assert list(found(fake_run(series, [module, other, graph])))
    assert not list(found(fake_run(series, [module, graph])))
