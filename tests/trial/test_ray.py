"""The same arms on a real Ray cluster of one node and one worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penlight.trial.arm import SNAPSHOT, Job
from penlight.trial.arms import Local, OnRay, gather

pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and files to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]

TRAIN = """
import torch
import torch.nn.functional as F
torch.manual_seed(0)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(10):
    optimizer.zero_grad()
    F.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 2).backward()
    optimizer.step()
print("loss", 0.25)
"""


@pytest.fixture
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_an_arm_on_ray_is_the_arm_here(cluster: Any, tmp_path: Path) -> None:
    project = tmp_path / "project"
    copy = tmp_path / "scratch" / SNAPSHOT / "tree0"
    copy.mkdir(parents=True)
    (copy / "data.txt").write_text("carried")
    text = f"{TRAIN}assert open('data.txt').read() == 'carried'\nopen('new.txt', 'w').close()\n"
    job = Job("path", "train.py", (), str(project), (str(project),), str(project),
              {"train.py": text}, pair=2)  # fmt: skip
    failing = Job(**{**vars(job), "texts": {"train.py": "raise ValueError('there')"}})
    digests: list[str] = []
    for pool in (OnRay(tmp_path / "scratch"), Local(tmp_path / "scratch", 1)):
        assert pool.slots == 1
        try:
            found = {a.status: a for a in gather(pool, [job, failing], 120)}
        finally:
            pool.close()
        assert found[1].error == "ValueError: there"
        digests.append(found[0].digest)
        assert found[0].printed.strip() == "loss 0.25"
        for path in (tmp_path / "scratch").glob("arm*"):
            path.rename(tmp_path / f"done-{len(digests)}-{path.name}")
    there, here = digests
    assert there == here != ""
    assert cluster.is_initialized()
    assert not project.exists()
