"""One arm of a trial: the script with some texts replaced, run to its end or to a horizon.

`perform` is for a process of its own: it seeds, fences and moves the whole process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

JOB, DONE, PAIRS, PRINTED, COMPLAINTS = (
    "job.json",
    "arm.json",
    "pairs.npz",
    "out.txt",
    "err.txt",
)
SNAPSHOT = "snapshot"
SHARED = "shared"  # for the caches of torch.compile
# Share of the time that watching may take. A trial is for what is seen: with the usual 1% the one
# evaluation at the end of benchmarks/repair/sound/tumour_binary.py went unseen on a busy machine.
BUDGET = 0.1


@dataclass(frozen=True)
class Job:
    """What to run.

    Args:
        kind: "path" or "module", see `penlight.launch.Target`.
        name: the script as the user named it, or the module.
        args: the script's own arguments.
        cwd: the user's working directory.
        roots: the folders that are mirrored, see `penlight.trial.mirror.Trees`.
        texts: new contents by path relative to `folder`.
        folder: the project's root: patches apply there.
        pair: whose random numbers; 0 is the script as it is.
        horizon: optimiser steps to make; None for all.
        temp: the system's folder for temporary files; '' for whatever it is where the arm runs.
    """

    kind: Literal["path", "module"]
    name: str
    args: tuple[str, ...]
    cwd: str
    roots: tuple[str, ...]
    folder: str
    texts: Mapping[str, str] = field(default_factory=dict)
    pair: int = 0
    horizon: int | None = None
    temp: str = ""

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Job:
        values: dict[str, Any] = json.loads(text)
        for name in ("args", "roots"):
            values[name] = tuple(values[name])
        return cls(**values)


def perform(place: Path, snapshot: Path) -> int:
    """Run the job that lies in a folder and leave there what came of it.

    Args:
        place: an absolute folder with a job in it; the arm's own.
        snapshot: the mirror to start from.

    Returns:
        The script's exit status.
    """
    job = Job.from_text((place / JOB).read_text(encoding="utf-8"))
    system_temp = Path(job.temp or tempfile.gettempdir())
    _move_in(job, place, snapshot)
    from penlight.launch import Target, run_script
    from penlight.store.schema import segment_name
    from penlight.store.writer import Writer
    from penlight.trial import seeds
    from penlight.trial.fence import Fence
    from penlight.trial.mirror import Trees
    from penlight.trial.samples import Samples

    trees = Trees(tuple(Path(root) for root in job.roots))
    seeds.shift(job.pair)
    samples = Samples()
    sink = Writer(place / segment_name(0))
    fence = Fence(place, trees.roots, system_temp, place.parent / SHARED)
    fence.close()
    name = job.name
    if job.kind == "path" and Path(name).is_absolute():
        name = str(trees.mapped(Path(name), place))
    args = [_moved_word(word, trees, place) for word in job.args]
    began = time.perf_counter()
    error = ""
    try:
        outcome = run_script(
            Target(job.kind, name),
            args,
            sink,
            budget=BUDGET,
            stop_after=job.horizon,
            on_start=samples.attach,
            leaving=True,
        )
        status, error = outcome.exit_code, outcome.error
    except BaseException as failure:
        status, error = 1, f"{type(failure).__name__}: {failure}"
    digest = samples.save(place / PAIRS)
    torch = sys.modules.get("torch")
    cuda = torch is not None and torch.cuda.is_initialized()
    done = {
        "exit": status,
        "error": error[:500],
        "steps": samples.step,
        "seconds": time.perf_counter() - began,
        "digest": digest,
        "refused": fence.refused[:5],
        "cuda": bool(cuda),
    }
    (place / DONE).write_text(json.dumps(done), encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    return status


def _move_in(job: Job, place: Path, snapshot: Path) -> None:
    """Make the working copy and go where the script expects to be."""
    from penlight.trial.mirror import Trees

    trees = Trees(tuple(Path(root) for root in job.roots))
    for i in range(len(job.roots)):
        shutil.copytree(snapshot / f"tree{i}", place / f"tree{i}", symlinks=True)
    folder = trees.mapped(Path(job.folder), place)
    for file, text in job.texts.items():
        target = folder / file
        if target.is_symlink():
            target.unlink()
        with target.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
    temp = place / "tmp"
    temp.mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(temp)
    cwd = trees.mapped(Path(job.cwd), place)
    os.chdir(cwd)
    os.environ["PWD"] = str(cwd)
    sys.dont_write_bytecode = True
    sys.path[:] = [_moved_path(entry, trees, place) for entry in sys.path]


def _moved_path(entry: str, trees: Any, place: Path) -> str:
    if not entry or "site-packages" in entry or not Path(entry).is_absolute():
        return entry
    return str(trees.mapped(Path(entry), place))


def _moved_word(word: str, trees: Any, place: Path) -> str:
    """An argument that names one of the user's files names the copy instead."""
    head, equals, path = word.rpartition("=") if word.startswith("-") else ("", "", word)
    if path.startswith(os.sep) and trees.inside(Path(path)):
        return f"{head}{equals}{trees.mapped(Path(path), place)}"
    return word
