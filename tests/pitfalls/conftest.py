"""Autograd graphs made by hand, and trainings that are watched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from penlight.core.facts import Fault, Graph, Op
from penlight.store.memory import MemorySink

LAYER = re.compile(r"(\w[\w.]*)\[(\d+),(\d+)\]")
SHAPED = re.compile(r"(\w+)\(([\d,]+)\)")


@pytest.fixture
def net() -> Callable[..., Graph]:
    """A chain of operations from the loss backwards.

    `net("NllLoss", "LogSoftmax", "fc2[64,3]", "Relu", "fc1[20,64]")`: a name with [in,out] is a
    Linear with weight and bias, any other word an operation, with its shape when it is given as
    `Sub(32,32)` and otherwise of the shape of the next layer towards the input.
    """

    def build(*steps: str, batch: int = 32) -> Graph:
        shapes: list[tuple[int, ...]] = []
        below: tuple[int, ...] = ()
        for step in reversed(steps):
            if layer := LAYER.fullmatch(step):
                below = (batch, int(layer[3]))
            elif shaped := SHAPED.fullmatch(step):
                below = tuple(int(n) for n in shaped[2].split(",") if n)
            shapes.append(below)
        shapes.reverse()
        ops: list[Op] = []
        for place, (step, shape) in enumerate(zip(steps, shapes, strict=True)):
            following = (len(ops) + 1,) if place + 1 < len(steps) else ()
            if layer := LAYER.fullmatch(step):
                name, wide, tall = layer[1], int(layer[2]), int(layer[3])
                start = len(ops)
                data = (start + 4,) if following else ()
                ops += [
                    Op("Addmm", shape, (start + 1, *data, start + 2)),
                    Op("AccumulateGrad", (tall,), (), f"{name}.bias"),
                    Op("T", (wide, tall), (start + 3,)),
                    Op("AccumulateGrad", (tall, wide), (), f"{name}.weight"),
                ]
            else:
                name = step.partition("(")[0]
                ops.append(Op(name, () if place == 0 else shape, following))
        return Graph(ops=tuple(ops))

    return build


@pytest.fixture
def watched() -> Callable[[], AbstractContextManager[MemorySink]]:
    """`with watched() as sink: train()`, then `sink.run()`; the dice are cast anew each time."""
    torch = pytest.importorskip("torch")
    from penlight.probe import Probe

    @contextmanager
    def watch() -> Iterator[MemorySink]:
        torch.manual_seed(0)
        sink = MemorySink()
        probe = Probe(sink, budget=1.0)
        probe.start()
        try:
            yield sink
        finally:
            probe.finish()
        assert not sink.run().all(Fault)

    return watch
