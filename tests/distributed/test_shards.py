"""What two ranks are fed, put side by side when their run is read."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.distributed.test_ranks_measure_the_same import (  # noqa: E402
    pytestmark,
    recorded,
    start,
)

from penlight.core.facts import Fault, Peers, Sampler  # noqa: E402  # after the check for torch
from penlight.diagnosis import diagnose  # noqa: E402

__all__ = ["pytestmark"]

SCRIPT = """
import sys
import torch
from torch import nn
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

fault = sys.argv[1]
dist.init_process_group("gloo")
torch.manual_seed(0)
x = torch.randn(256, 8)
data = TensorDataset(x, (x[:, :2].sum(1) > 0).long())
held_out = TensorDataset(x[:64], data.tensors[1][:64])
if fault == "duplicate":
    sampler = None
    loader = DataLoader(data, batch_size=16, shuffle=True)
else:
    sampler = DistributedSampler(data)
    loader = DataLoader(data, batch_size=16, sampler=sampler)
validation = DataLoader(held_out, batch_size=16, sampler=DistributedSampler(held_out))
net = DistributedDataParallel(nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2)))
forward = net.module if fault == "bypass" else net
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(4):
    if sampler is not None and fault != "order":
        sampler.set_epoch(epoch)
    for rows, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(forward(rows), y).backward()
        optimizer.step()
    with torch.no_grad():
        right = sum((net(rows).argmax(1) == y).sum().item() for rows, y in validation)
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.parametrize("fault", ["none", "duplicate", "bypass", "order"])
def test_ranks_are_compared(tmp_path: Path, fault: str) -> None:
    start(tmp_path, SCRIPT, fault)
    run = recorded(tmp_path)
    assert run.all(Fault) == []
    alarms = [x for x in diagnose(run).alarms if x.pitfall == "distributed-duplicate-data"]
    (peers,) = run.all(Peers) or [Peers()]
    if fault == "none":
        assert alarms == []
        assert (peers.shared, peers.apart) == (0, 0.0)
        assert peers.rows == 16 * peers.steps > 0
        assert [(x.passes, x.epochs) for x in run.all(Sampler)] == [(4, 4)]
    else:
        (found,) = alarms
        assert {
            "duplicate": "100% of the rows",
            "bypass": "no longer train one model",
            "order": "in each of 4 epochs",
        }[fault] in found.says
