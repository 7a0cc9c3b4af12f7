"""Where arms run: a pool of processes here, or the nodes of a Ray cluster."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from penlight.core.run import Run
from penlight.errors import PenlightError
from penlight.store.schema import segment_name
from penlight.trial.arm import COMPLAINTS, DONE, JOB, PAIRS, PRINTED, SHARED, SNAPSHOT, Job

TAIL = 1 << 20  # bytes read of what an arm has printed
KEPT = (DONE, PAIRS, PRINTED, COMPLAINTS)
# Modules that are slow to import, do not compute on import and read no environment of the script's.
SLOW = ("sklearn", "scipy", "pandas", "torchvision")


@dataclass(frozen=True)
class Arm:
    """What came of a job.

    Args:
        job: what was run.
        place: the folder with its record.
        status: exit status; negative when a signal ended it.
        late: it was stopped because it took too long.
    """

    job: Job
    place: Path
    status: int
    late: bool = False

    @cached_property
    def done(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.place / DONE).read_text(encoding="utf-8"))
            return found
        except (OSError, ValueError):
            return {}

    @property
    def failed(self) -> bool:
        """Whether the script crashed, was killed, or took too long."""
        return self.status != 0 or self.late or not self.done

    @property
    def seconds(self) -> float:
        return float(self.done.get("seconds", 0.0))

    @property
    def steps(self) -> int:
        return int(self.done.get("steps", 0))

    @property
    def digest(self) -> str:
        """Equal for arms that did the same, bit for bit; '' when nothing was seen."""
        return str(self.done.get("digest", ""))

    @property
    def error(self) -> str:
        """One line about why it failed."""
        if self.late:
            return "it took too long and was stopped"
        if self.done.get("refused") and "PermissionError" in str(self.done.get("error")):
            return str(self.done["error"]).removeprefix("PermissionError: ")
        if self.done.get("error"):
            return str(self.done["error"])
        lines = self._tail(COMPLAINTS).strip().splitlines()
        return lines[-1] if lines else f"it ended with status {self.status}"

    @cached_property
    def printed(self) -> str:
        """What the script printed, the last megabyte of it."""
        return self._tail(PRINTED)

    @cached_property
    def run(self) -> Run:
        """What the probe has recorded.

        Raises:
            PenlightError: nothing.
        """
        from penlight.store.reader import load

        return load(self.place / segment_name(0))

    def _tail(self, name: str) -> str:
        try:
            with (self.place / name).open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - TAIL))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


class Pool(Protocol):
    """Runs arms, several at a time."""

    slots: int

    def start(self, job: Job, seconds: float) -> None:
        """Begin a job as soon as there is a free slot; it may take so many seconds."""

    def finished(self, timeout: float) -> list[Arm]:
        """Arms that have ended since the last call; waits up to `timeout` seconds for one."""

    def close(self) -> None:
        """End all that is running, and wait until it has."""


class Zygote:
    """The client of `penlight.trial.zygote`: one process that forks arms.

    Args:
        scratch: a folder with the snapshot in it.
        modules: what to load before the first arm.
    """

    def __init__(self, scratch: Path, modules: Sequence[str] = ()) -> None:
        self._scratch = scratch
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            env[name] = "1"
        shared = scratch / SHARED
        shared.mkdir(exist_ok=True)
        env["TMPDIR"] = env["TORCHINDUCTOR_CACHE_DIR"] = env["TRITON_CACHE_DIR"] = str(shared)
        source = str(Path(__file__).resolve().parents[2])
        paths = [str(Path(p).absolute()) for p in env.get("PYTHONPATH", "").split(os.pathsep) if p]
        env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*paths, source]))
        words = [sys.executable, "-m", "penlight.trial.zygote"]
        self._process = subprocess.Popen(
            [*words, str(scratch / SNAPSHOT), str(os.getpid()), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=scratch,
            env=env,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )
        self._buffer = b""

    def send(self, place: Path, seconds: float) -> None:
        """Start the job in a folder."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"run {seconds} {place}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PenlightError("The process that runs the trials has died.", 1) from None

    def receive(self, timeout: float) -> list[dict[str, Any]]:
        """The ends of arms that were told since the last call.

        Raises:
            PenlightError: the process has died.
        """
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        if not select.select([handle], [], [], timeout)[0]:
            return []
        read = os.read(handle, 1 << 16)
        if not read:
            raise PenlightError("The process that runs the trials has died.", 1)
        *lines, self._buffer = (self._buffer + read).split(b"\n")
        found: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return found

    def close(self) -> None:
        """End it and its arms."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()


class Local:
    """Arms forked on this machine, one a core.

    Args:
        scratch: a folder with the snapshot in it; arms get folders beside it.
        slots: arms at a time.
        modules: what to load before the first arm.
    """

    def __init__(self, scratch: Path, slots: int, modules: Sequence[str] = ()) -> None:
        self.slots = slots
        self._scratch = scratch
        self._zygote = Zygote(scratch, modules)
        self._waiting: list[tuple[Job, float]] = []
        self._running: dict[str, Job] = {}
        self._count = 0

    def start(self, job: Job, seconds: float) -> None:
        self._waiting.append((job, seconds))
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self.slots:
            job, seconds = self._waiting.pop(0)
            self._count += 1
            place = place_of(self._scratch, self._count, job)
            self._running[str(place)] = job
            self._zygote.send(place, seconds)

    def finished(self, timeout: float) -> list[Arm]:
        found = []
        for said in self._zygote.receive(timeout) if self._running else []:
            job = self._running.pop(said["folder"])
            place = Path(said["folder"])
            clean(place)
            found.append(Arm(job, place, said["status"], said["late"]))
        self._fill()
        return found

    def close(self) -> None:
        self._zygote.close()


class OnRay:
    """Arms on the nodes of a Ray cluster: each slot is an actor with a zygote of its own.

    Large files of the project must be reachable on every node under the same path.

    Raises:
        PenlightError: Ray is not installed.
    """

    def __init__(self, scratch: Path, slots: int = 0, modules: Sequence[str] = ()) -> None:
        try:
            import ray
        except ImportError:
            raise PenlightError("--on ray needs Ray: pip install 'penlight[ray]'.") from None
        self._ray: Any = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
        self.slots = slots or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._scratch = scratch
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(scratch / SNAPSHOT, SNAPSHOT)
        data = ray.put(packed.getvalue())
        host = self._ray.remote(num_cpus=1)(_Host)
        self._hosts = [host.remote(data, list(modules)) for _ in range(self.slots)]
        self._free = list(self._hosts)
        self._waiting: list[tuple[Job, float]] = []
        self._running: dict[Any, tuple[Any, Job, Path]] = {}
        self._count = 0

    def start(self, job: Job, seconds: float) -> None:
        self._waiting.append((job, seconds))
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self._free:
            job, seconds = self._waiting.pop(0)
            host = self._free.pop()
            self._count += 1
            place = place_of(self._scratch, self._count, job)
            self._running[host.run.remote(job.to_text(), seconds)] = (host, job, place)

    def finished(self, timeout: float) -> list[Arm]:
        if not self._running:
            return []
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout)
        found = []
        for handle in ready:
            host, job, place = self._running.pop(handle)
            self._free.append(host)
            try:
                said, files = self._ray.get(handle)
            except self._ray.exceptions.RayError as error:
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                why = " ... ".join(dict.fromkeys((lines[0], lines[-1])))  # where, and what
                raise PenlightError(f"Ray lost an arm: {why}", 1) from None
            for name, content in files.items():
                (place / name).write_bytes(content)
            found.append(Arm(job, place, said["status"], said["late"]))
        self._fill()
        return found

    def close(self) -> None:
        for host in self._hosts:
            with contextlib.suppress(Exception):  # a node that is gone has nothing to close
                self._ray.get(host.close.remote(), timeout=15)
                self._ray.kill(host)
        if self._ours:
            self._ray.shutdown()


class _Host:
    """One slot of a cluster, as a Ray actor."""

    def __init__(self, data: bytes, modules: list[str]) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="penlight-arms-"))
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(self._scratch, filter="fully_trusted")
        self._zygote = Zygote(self._scratch, modules)
        self._count = 0

    def run(self, job: str, seconds: float) -> tuple[dict[str, Any], dict[str, bytes]]:
        self._count += 1
        place = place_of(self._scratch, self._count, Job.from_text(job))
        self._zygote.send(place, seconds)
        while not (said := self._zygote.receive(1.0)):
            continue
        names = [*KEPT, segment_name(0)]
        files = {n: (place / n).read_bytes() for n in names if (place / n).is_file()}
        shutil.rmtree(place, ignore_errors=True)
        return said[0], files

    def close(self) -> None:
        self._zygote.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def place_of(scratch: Path, number: int, job: Job) -> Path:
    """Make the folder of an arm and put its job there."""
    place = scratch / f"arm{number:03d}"
    place.mkdir()
    (place / JOB).write_text(job.to_text(), encoding="utf-8")
    return place


def clean(place: Path) -> None:
    """Remove an arm's working copy; its record stays."""
    for path in place.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def slow_modules(text: str) -> list[str]:
    """What a script imports of the packages that are worth loading once for all arms."""
    found = re.findall(r"^\s*(?:from|import)\s+([\w.]+)", text, flags=re.M)
    return [name for name in dict.fromkeys(found) if name.partition(".")[0] in SLOW]


def gather(pool: Pool, jobs: Sequence[Job], seconds: float) -> Iterator[Arm]:
    """Run jobs and give their arms as they end."""
    for job in jobs:
        pool.start(job, seconds)
    left = len(jobs)
    limit = time.monotonic() + seconds * math.ceil(left / pool.slots) + 600
    while left and time.monotonic() < limit:
        for arm in pool.finished(0.2):
            left -= 1
            yield arm
