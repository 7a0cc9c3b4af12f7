"""clip-without-unscale."""

from __future__ import annotations

from penlight.core.facts import Hygiene
from penlight.pitfalls.clip_without_unscale import ClipWithoutUnscale
from penlight.testing import check_card, fake_run


def said(optimizer="SGD", **counts):
    run = fake_run(facts=[Hygiene(steps=80, **counts)], optimizer=optimizer)
    return list(ClipWithoutUnscale().detect(run))


def test_card():
    assert check_card(ClipWithoutUnscale()) == []


def test_clipped_while_scaled():
    (found,) = said(clip_calls=80, clip_scaled=80)
    assert found.severity == "critical"
    assert found.exact
    assert "80 times" in found.says


def test_adam_suffers_less():
    assert said("AdamW", clip_calls=80, clip_scaled=80)[0].severity == "warning"


def test_right_order():
    assert not said(clip_calls=80)
    assert not said(clip_calls=80, clip_scaled=1)
    assert not said()
