"""graph-leak."""

from __future__ import annotations

from penlight.core.facts import Hygiene
from penlight.pitfalls.graph_leak import GraphLeak
from penlight.testing import check_card, fake_run


def said(old, kept):
    facts = [Hygiene(steps=500, graphs_old=old, graphs_kept=kept)]
    return list(GraphLeak().detect(fake_run(facts=facts, steps=500)))


def test_card():
    assert check_card(GraphLeak()) == []


def test_all_are_kept():
    (found,) = said(60, 60)
    assert "60 graphs" in found.says
    assert found.severity == "warning"


def test_let_go():
    assert not said(60, 0)
    assert not said(60, 30), "let go after each epoch"
    assert not said(10, 10), "so many a policy gradient may hold"
