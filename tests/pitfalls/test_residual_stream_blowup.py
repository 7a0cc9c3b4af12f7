"""residual-stream-blowup."""

from __future__ import annotations

import numpy as np

from penlight.core.facts import Graph, Module, Op, Targets
from penlight.core.vocabulary import ACT_RMS, LOSS, STREAM_RMS
from penlight.pitfalls._graph import Wiring
from penlight.pitfalls.residual_stream_blowup import ResidualStreamBlowup, residual_branches
from penlight.testing import check_card, fake_run, objective

TARGETS = Targets(objective="cross_entropy@train.py:1", classes=(100,) * 10)
WILD = np.full(50, 500.0)


def stacked(blocks: int, *, residual: bool = True) -> Graph:
    """x + f(x), over and over: the graph from the loss to the first layer."""
    ops = [Op("NllLoss", inputs=(1,)), Op("LogSoftmax", inputs=(2,))]
    for number in reversed(range(blocks)):
        i = len(ops)
        name = f"{number}.down"
        if residual:
            ops += [Op("Add", inputs=(i + 2, i + 1)), Op("Addmm", inputs=(i + 2,), module=name)]
        else:
            ops += [Op("Addmm", inputs=(i + 1,), module=name)]
    ops.append(Op("Addmm", module="first"))
    return Graph(ops=tuple(ops))


def said(growth=2.0, blocks=12, losses=WILD, graph=None, signal=ACT_RMS):
    names = [f"{i}.down" for i in range(blocks)]
    series = {(signal, n): [growth**i] * 50 for i, n in enumerate(names)} | {LOSS: losses}
    facts = [Module(name=n, type="Linear", order=i) for i, n in enumerate(names)]
    facts += [objective(), TARGETS, graph or stacked(blocks)]
    return list(ResidualStreamBlowup().detect(fake_run(series, facts)))


def test_card():
    assert check_card(ResidualStreamBlowup()) == []


def test_a_stream_that_doubles():
    (found,) = said()
    assert found.severity == "critical"
    assert found.where == "11.down"
    (found,) = said(signal=STREAM_RMS)
    assert found.evidence[0].signal == "stream_rms"


def test_looks_alike():
    assert not said(growth=1.1)  # about the square root of the depth
    assert not said(blocks=4)
    assert not said(losses=np.geomspace(500, 0.1, 50))  # it has learnt all the same
    assert not said(graph=stacked(12, residual=False))  # a plain stack: exploding-gradient


def test_branches():
    assert residual_branches(Wiring(stacked(3))) == ["2.down", "1.down", "0.down"]
    assert residual_branches(Wiring(stacked(3, residual=False))) == []
