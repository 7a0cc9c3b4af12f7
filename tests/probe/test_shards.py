"""Which models spread their data over all ranks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  # after the check that torch is there

from penlight.probe import shards  # noqa: E402


class FSDPModule:
    """What `fully_shard` makes of a module, by name."""


class Sharded(FSDPModule, nn.Linear):
    pass


@pytest.mark.parametrize(
    ("kind", "dimensions", "ranks", "spreads"),
    [
        (Sharded, 1, 4, True),
        (nn.Linear, 1, 4, False),  # tensor-parallel ranks share their rows on purpose
        (Sharded, 2, 4, False),
        (Sharded, 1, 2, False),  # some ranks do something else
    ],
)
def test_sharded_parameters(monkeypatch, kind, dimensions, ranks, spreads):
    monkeypatch.setattr(shards, "world", lambda: 4)
    model = kind(3, 2)
    for p in model.parameters():
        p.device_mesh = SimpleNamespace(ndim=dimensions, size=lambda: ranks)
    ledger = SimpleNamespace(guard=lambda _, call: call)
    patches = SimpleNamespace(wrap=lambda *_: None)
    watched = shards.Shards(SimpleNamespace(ledger=ledger), patches)
    assert watched._spread(model) == (("FSDP", False) if spreads else None)
