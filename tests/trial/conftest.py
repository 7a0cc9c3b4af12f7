"""A pool of arms that the tests of a module share, since it takes seconds to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from textwrap import dedent

import pytest

from penlight.trial.arm import SNAPSHOT, Job
from penlight.trial.arms import Arm, Local, gather

Start = Callable[..., list[Arm]]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start(text, text, ..., pair=0)` runs scripts as arms and gives them in that order."""
    scratch = tmp_path_factory.mktemp("scratch")
    project = tmp_path_factory.mktemp("project")
    (project / "train.py").write_text("raise SystemExit('the text was not replaced')")
    (project / "data.txt").write_text("of the user's")
    copy = scratch / SNAPSHOT / "tree0"
    copy.mkdir(parents=True)
    for file in project.iterdir():
        (copy / file.name).write_text(file.read_text())
    pool = Local(scratch, 2)

    def run(
        *texts: str, seconds: float = 60.0, args: tuple[str, ...] = (), **job: int
    ) -> list[Arm]:
        jobs = [
            Job("path", "train.py", args, str(project), (str(project),), str(project),
                {"train.py": dedent(text)}, **job)  # type: ignore[arg-type]  # pair and horizon
            for text in texts
        ]  # fmt: skip
        arms = {arm.job.texts["train.py"]: arm for arm in gather(pool, jobs, seconds)}
        assert (project / "data.txt").read_text() == "of the user's"
        assert sorted(p.name for p in project.iterdir()) == ["data.txt", "train.py"]
        return [arms[job.texts["train.py"]] for job in jobs]

    yield run
    pool.close()
