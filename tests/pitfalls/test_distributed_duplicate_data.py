"""distributed-duplicate-data."""

from __future__ import annotations

import numpy as np
import pytest

from penlight.core.facts import Parameter, Sampler, Shard
from penlight.core.run import Series
from penlight.pitfalls.distributed_duplicate_data import DistributedDuplicateData
from penlight.store.peers import beside
from penlight.testing import check_card, fake_run


def said(*facts):
    return list(DistributedDuplicateData().detect(fake_run(facts=facts, steps=100)))


def test_card():
    assert check_card(DistributedDuplicateData()) == []


# -- ranks beside each other ----------------------------------------------------------------


def shard(rows, synchronised=True):
    return Shard(
        world=2,
        root="Net",
        parallel="DistributedDataParallel",
        synchronised=synchronised,
        steps=tuple(range(len(rows))),
        rows=tuple(map(tuple, rows)),
    )


def part(rows, norms=(), site="weight", root="Net", **fields):
    key = ("weight_norm", site)
    curve = Series(*key, np.arange(len(norms)), np.array(norms, float))
    return {key: curve}, [Parameter(name=site, root=root), shard(rows, **fields)]


OWN = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]
OTHER = [[r + 0.5 for r in rows] for rows in OWN]


def test_the_same_rows():
    (fact,) = beside(part(OWN), [part(OWN)])
    assert (fact.rows, fact.shared, fact.fresh, fact.steps) == (8, 8, 1.0, 4)
    (found,) = said(fact)
    assert "100% of the rows that rank 0 is fed" in found.says
    assert found.severity == "warning"


def test_other_rows():
    (fact,) = beside(part(OWN), [part(OTHER)])
    assert (fact.rows, fact.shared) == (8, 0)
    assert not said(fact)


def test_a_few_rows_that_fill_up_the_last_batch():
    mixed = [[OWN[0][0], 9.0], *OTHER[1:]]
    (fact,) = beside(part(OWN), [part(mixed)])
    assert fact.shared == 1
    assert not said(fact)


def test_one_batch_learnt_by_heart_may_be_the_same():
    (fact,) = beside(part([OWN[0]] * 4), [part([OWN[0]] * 4)])
    assert fact.fresh == 0.25
    assert not said(fact)


def test_weights_that_part():
    (fact,) = beside(part(OWN, [1.0, 1.0, 1.1, 1.2]), [part(OTHER, [1.0, 1.0, 1.2, 1.5])])
    assert fact.apart == pytest.approx(0.2)
    assert (fact.where, fact.first_step) == ("weight", 2)
    (found,) = said(fact)
    assert "The ranks no longer train one model" in found.says
    assert found.severity == "critical"
    assert (found.where, found.first_step) == ("weight", 2)


@pytest.mark.parametrize(
    ("fields", "norms"),
    [
        ({"synchronised": False}, [1.0, 1.5]),  # each rank holds another piece
        ({"root": "Critic"}, [1.0, 1.5]),  # a model of the rank's own
        ({}, [1.0, 1.0 + 1e-7]),  # rounding
        ({}, [np.nan, np.inf]),
    ],
)
def test_weights_that_may_differ(fields, norms):
    (fact,) = beside(part(OWN, [1.0, 1.0], **fields), [part(OTHER, norms, **fields)])
    assert fact.apart == 0.0
    assert not said(fact)


def test_nothing_to_compare():
    assert beside(part(OWN), []) == []
    assert beside(part(OWN), [({}, [])]) == []
    assert beside(({}, []), [part(OWN)]) == []


# -- samplers -------------------------------------------------------------------------------


def test_one_order_for_all_epochs():
    (found,) = said(Sampler(passes=5, epochs=1, replicas=4, source="train.py:30", step=200))
    assert "in each of 5 epochs" in found.says
    assert (found.source, found.first_step) == ("train.py:30", 200)


@pytest.mark.parametrize(("passes", "epochs"), [(5, 5), (2, 1), (5, 2)])
def test_orders_that_change(passes, epochs):
    assert not said(Sampler(passes=passes, epochs=epochs, replicas=4))
