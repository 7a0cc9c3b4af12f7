"""hidden-bottleneck-or-shape-bug."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penlight.core.facts import Carried, Exam, Graph, Module, Op, Parameter, Repeated, Targets
from penlight.core.vocabulary import OBJECTIVE_LOSS
from penlight.pitfalls.hidden_bottleneck_or_shape_bug import HiddenBottleneckOrShapeBug, swapped
from penlight.testing import check_card, fake_run, objective

STUCK = [2.3 - 0.002 * min(i, 100) for i in range(300)]
LEARNS = [2.3 * 0.97**i for i in range(300)]


def said(*facts, curve=STUCK, **fields):
    aim = objective(**fields)
    classes = Targets(objective=aim.site, entropy=2.3, samples=1000, classes=(100,) * 10)
    run = fake_run({(OBJECTIVE_LOSS, aim.site): curve}, (aim, classes, *facts))
    return list(HiddenBottleneckOrShapeBug().detect(run))


def conv(**fields):
    return Module(name="conv", type="Conv2d", settings={"kernel_size": [3, 3]}, **fields)


def test_card():
    assert check_card(HiddenBottleneckOrShapeBug()) == []


def test_a_layer_is_fed_recut_memory():
    (found,) = said(Module(name="rnn", input_shape=(20, 30, 32), recut_from=(30, 32, 20)))
    assert found.exact
    assert "one sample land in another" in found.says
    (found,) = said(Module(name="conv", input_shape=(30, 6, 24), recut_from=(30, 24, 6)))
    assert "one dimension land in another" in found.says
    assert not said(Module(name="conv", input_shape=(30, 6, 24)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((8, 1, 5), (8, 5, 1)),  # one row is one column
        ((8, 4, 4), (8, 4, 4)),
        ((8, 4, 6), (8, 24)),
        ((8, 4, 6), (32, 6)),
        ((6,), (6,)),
    ],
)
def test_no_value_moves(before, after):
    assert not swapped(before, after)


def chain(*ops):
    loss = Op("NllLoss", (), (1,))
    rest = [Op(n, s, (i + 2,) if i + 1 < len(ops) else ()) for i, (n, s) in enumerate(ops)]
    return Graph(ops=(loss, *rest))


def test_swapped_between_layers():
    conv = ("Convolution", (8, 6, 20))
    assert said(chain(conv, ("View", (8, 6, 24)), ("Relu", (8, 24, 6))))
    assert not said(chain(conv, ("Transpose", (8, 6, 24)), ("Relu", (8, 24, 6))))
    assert not said(chain(("Mm", (8, 3)), ("View", (8, 144)), ("Relu", (8, 24, 6))))
    assert not said(chain(("Mean", (8, 6)), ("View", (8, 6, 24)), ("Relu", (8, 24, 6)))), (
        "groups of a norm may come to the same sizes"
    )


def test_splitting_heads_may_look_like_a_swap():
    # (time, batch, width) -> (time, batch * heads, size), as torch's own attention does
    assert not said(chain(("Transpose", (32, 5, 8)), ("View", (5, 32, 8)), ("Relu", (5, 8, 32))))


def test_heads_merged_before_they_are_moved():
    product = ("Bmm", (32, 10, 6))
    (found,) = said(chain(("Mean", ()), ("View", (8, 10, 24)), ("View", (8, 4, 10, 6)), product))
    assert "heads" in found.says
    moved = ("Transpose", (8, 10, 4, 6))
    heads = (("View", (8, 10, 24)), ("Clone", (8, 10, 4, 6)), moved, ("View", (8, 4, 10, 6)))
    assert not said(chain(("Mean", ()), *heads, product))
    assert not said(chain(("View", (8, 10, 24)), ("Relu", (8, 4, 10, 6))))


def test_one_layer_many_times():
    fact = Repeated(container="body", type="Linear", times=6)
    (found,) = said(fact)
    assert found.severity == "warning"
    assert "6 times" in found.says
    assert not said(fact, curve=LEARNS)
    assert not said(fact, replace(fact, type="Conv1d"))  # stacks, each of one block


def test_one_pixel_left():
    assert said(conv(input_shape=(32, 64, 1, 1)))
    assert not said(conv(input_shape=(32, 64, 2, 2)))
    assert not said(conv(input_shape=(32, 64, 1, 1)), curve=LEARNS)


def test_sequences_of_a_single_step():
    fact = Carried(site="lstm", type="LSTM", calls=20, lone=20)
    (found,) = said(fact)
    assert "a single time step" in found.says
    assert "window" in found.prescriptions[0].do
    assert not said(replace(fact, lone=19))
    assert not said(replace(fact, calls=3, lone=3))
    assert not said(fact, curve=LEARNS)


def narrow(width=1, tenfold=2.1, heads="a"):
    names = (("a", 64, 16), ("b", width, 64), ("c", 64, width), ("d", 1, 64))
    modules = [Module(name=n, type="Linear", order=i) for i, (n, _, _) in enumerate(names)]
    weights = [Parameter(name=f"{n}.weight", shape=(o, i), module=n) for n, o, i in names]
    ops = [Op("MseLoss", (), (1,))]
    for name, out, _ in reversed(names):
        k = len(ops)
        below = (k + 4,) if name not in heads else ()
        ops += [
            Op("Addmm", (32, out), (k + 1, *below, k + 2)),
            Op("AccumulateGrad", (out,), (), f"{name}.bias"),
            Op("T", (), (k + 3,)),
            Op("AccumulateGrad", (), (), f"{name}.weight"),
        ]
    values = {"start": 2.2, "x0.1": 2.1, "x1": 2.1, "x10": tenfold, "x100": 9.0, "steps": 40}
    exam = Exam(name="rates_end", values={**values, "lr": 0.1})
    return (*modules, *weights, Graph(ops=tuple(ops)), exam)


def regression(*facts):
    aim = objective("mse_loss", target_dtype="float32", input_shape=(32, 1), target_shape=(32, 1))
    spread = Targets(objective=aim.site, samples=1000, mean=(0.0,), std=(1.5,))
    run = fake_run({(OBJECTIVE_LOSS, aim.site): STUCK}, (aim, spread, *facts))
    return list(HiddenBottleneckOrShapeBug().detect(run))


def test_a_stray_width():
    (found,) = regression(*narrow())
    assert "1 unit of b" in found.says
    assert not regression(*narrow(width=16))
    assert not regression(*narrow(heads="ac")), "one head after the other, as of two critics"
    assert not regression(*narrow(tenfold=0.5)), "a higher rate helps: the rate is the matter"


def test_images_whose_memory_has_the_channels_last():
    def said(first, last, *facts):
        exam = Exam(name="layout", values={"first": first, "last": last, "rows": 100})
        return list(HiddenBottleneckOrShapeBug().detect(fake_run(facts=[exam, *facts])))

    (found,) = said(0.3, 0.1)
    assert "viewed, not permuted" in found.says
    assert not said(0.1, 0.3)  # as it should be
    assert not said(0.3, 0.29)  # noise
    assert not said(0.0, 0.0)  # blank pages


def blocks(*sums):
    """A graph of a loss over additions: of (a tensor and itself) or of (two tensors)."""
    ops = [Op("NllLoss", inputs=(1,))]
    for same in sums:
        at = len(ops)
        first, second = at + 1, at + 1 if same else at + 2
        ops += [Op("Add", (32, 8), (first, second)), Op("Addmm", (32, 8), (at + 2,), module="out")]
    return Graph(ops=(*ops, Op("Addmm", (32, 8)), Op("Addmm", (32, 8))))


def test_outputs_that_are_added_to_themselves():
    (found,) = said(blocks(True, True), curve=LEARNS)
    assert "2 additions add an output to itself" in found.says
    assert found.where == "out"
    assert "x + block(x)" in found.prescriptions[0].do
    assert not said(blocks(True, False), curve=LEARNS), "one may be two times"
    assert not said(blocks(False, False), curve=LEARNS)
