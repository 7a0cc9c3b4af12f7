"""A fault anywhere in Penlight leaves the training untouched and is told once."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402  # after the check that torch is there
from torch.nn import functional as F  # noqa: E402  # the name all of torch's users know

import penlight.probe  # noqa: E402
import penlight.signals  # noqa: E402
from penlight.catalogue import catalogue  # noqa: E402
from penlight.core.facts import Fault  # noqa: E402
from penlight.core.run import Run  # noqa: E402
from penlight.diagnosis import diagnose  # noqa: E402
from penlight.probe import Probe, parts  # noqa: E402
from penlight.store.memory import MemorySink  # noqa: E402

MESSAGE = "injected: DefaultCPUAllocator: not enough memory"
# What a probe is made of and ends with: a fault there is one at its start.
FRAME = ("guard", "probe", "sink", "still", "parts")


def out_of_memory(*args: Any, **kwargs: Any) -> Any:
    """Stands in for any function of ours."""
    raise RuntimeError("injected: DefaultCPUAllocator: not enough memory")


def functions(package: types.ModuleType, leave_out: Sequence[str] = ()) -> Iterator[Any]:
    """Every function and method that is written in a package."""
    for info in pkgutil.iter_modules(package.__path__):
        if info.name in leave_out:
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        holders = [module, *(c for _, c in inspect.getmembers(module, inspect.isclass))]
        for holder in holders:
            for found in vars(holder).values():
                if isinstance(found, property):
                    found = found.fget
                own = inspect.isfunction(found) and found.__module__ == module.__name__
                # `_gone` is called by the garbage collector, which lets nothing through.
                hidden = found.__name__[:2] == "__" or found.__name__ == "_gone" if own else True
                if not hidden and not found.__code__.co_freevars:
                    yield found


OURS = {
    f"{f.__module__.removeprefix('penlight.')}.{f.__qualname__}": f
    for f in (*functions(penlight.signals), *functions(penlight.probe, leave_out=FRAME))
}


class Net(nn.Module):
    """Has a bit of everything that is measured."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.convolve = nn.Conv1d(4, 8, 3)
        self.norm = nn.BatchNorm1d(8)
        self.gate = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.convolve(self.embed(x).movedim(1, 2)))).mean(-1)
        h = F.dropout(torch.sigmoid(self.gate(h)), 0.1, training=True)
        return self.head(h)


def eventful() -> list[Any]:
    """Two optimisers, a scaler, clipping, an evaluation, losses by name and by hand, a NaN."""
    torch.manual_seed(0)
    net, other = Net(), nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))
    first = torch.optim.AdamW(net.parameters(), lr=1e-2)
    second = torch.optim.SGD(other.parameters(), lr=1e-2)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    loose = torch.zeros(3, requires_grad=True)
    seen: list[Any] = []
    for step in range(8):
        x, y = torch.randint(5, (16, 6)), torch.randint(3, (16,))
        first.zero_grad()
        loss = F.cross_entropy(net(x) + loose, y)
        scaler.scale(loss).backward()
        scaler.unscale_(first)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(first)
        scaler.update()
        second.zero_grad()
        batch = torch.randn(16, 6)
        if step == 6:
            batch[3] = float("nan")
        by_hand = (other(batch)[:, 0] - batch.sum(1)).square().mean()
        by_hand.backward()
        second.step()
        seen += [loss.item(), by_hand.item()]
        if step % 4 == 3:
            net.eval()
            with torch.no_grad():
                seen.append(F.cross_entropy(net(x), y).item())
            net.train()
    return (
        seen + [p.detach().clone() for m in (net, other) for p in m.parameters()] + [torch.rand(2)]
    )


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return bool(((a == b) | (a.isnan() & b.isnan())).all())
    return bool(a == b or (a != a and b != b))


@pytest.fixture(scope="module")
def bare() -> list[Any]:
    return eventful()


@pytest.fixture(autouse=True)
def no_hooks_left() -> Iterator[None]:
    """A fault injected into the very taking off of hooks leaves them to the next test."""
    from torch.nn.modules import module
    from torch.optim import optimizer

    yield
    module._global_forward_hooks.clear()
    module._global_forward_pre_hooks.clear()
    module._global_forward_hooks_always_called.clear()
    module._global_forward_hooks_with_kwargs.clear()
    optimizer._global_optimizer_pre_hooks.clear()
    optimizer._global_optimizer_post_hooks.clear()


def watched(bare: list[Any], examine: bool = False, **options: Any) -> Run:
    """Run under the probe, hold the results against the bare ones, give the record."""
    sink = MemorySink()
    alerted = options.pop("on_alert", None)
    probe = Probe(options.pop("around", lambda s: s)(sink), budget=1.0, **options)
    probe.on_alert += [alerted] if alerted else []
    probe.start()
    try:
        seen = eventful()
    finally:
        probe.finish(0 if examine else None)
    assert len(seen) == len(bare)
    assert all(same(a, b) for a, b in zip(bare, seen, strict=True))
    return sink.run()


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line]


def test_the_training_used_here_is_watched_without_a_fault(
    bare: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = watched(bare, examine=True)
    assert run.all(Fault) == []
    assert told(capsys) == []
    assert {type(x).__name__ for x in run.facts} >= {"NonFinite", "Graph", "Predictions", "Exam"}


@pytest.mark.parametrize("name", OURS)
def test_a_fault_in_any_function_of_ours_is_contained_and_told_once(
    name: str,
    bare: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(OURS[name], "__code__", out_of_memory.__code__)
    monkeypatch.setattr(parts, "SPARED", 0.05)
    run = watched(bare, examine=".exam." in name or ".capture." in name)
    faults, lines = run.all(Fault), told(capsys)
    assert len(lines) == len(faults)
    assert len({f.part for f in faults}) == len(faults)
    assert all(MESSAGE in f.error for f in faults)
    assert all(line.startswith("penlight: ") and MESSAGE in line for line in lines)
    assert run.end is not None


@pytest.mark.parametrize("turn", [1, 7])
@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), UserWarning("as an error")],
    ids=lambda e: type(e).__name__,
)
def test_a_fault_of_any_kind_at_any_time_in_any_callback_is_contained(
    turn: int,
    error: Exception,
    bare: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from penlight.probe.guard import Ledger

    guard, seen = Ledger.guard, []

    def faulty(self: Any, part: str, function: Callable[..., Any], **options: Any) -> Any:
        calls = iter(range(1, 1 << 30))

        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == turn:
                seen.append(part)
                raise error
            return function(*args, **kwargs)

        return guard(self, part, call, **options)

    monkeypatch.setattr(Ledger, "guard", faulty)
    faults = watched(bare).all(Fault)
    assert {f.part for f in faults} == set(seen)
    assert len(faults) == len(set(seen)) >= 4
    assert len(told(capsys)) == len(faults)


def test_a_probe_that_cannot_even_start_is_told_and_forgotten(
    bare: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parts.Objectives, "__init__", out_of_memory)
    run = watched(bare)
    assert [f.part for f in run.all(Fault)] == ["start"]
    assert len(told(capsys)) == 1


class Full:
    """A sink that fails from the n-th call of one kind on."""

    def __init__(self, inner: Any, method: str, good: int) -> None:
        self.inner, self.method, self.good = inner, method, good

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            if name == self.method:
                self.good -= 1
                if self.good < 0:
                    raise OSError(28, "No space left on device")
            return getattr(self.inner, name)(*args)

        return call


@pytest.mark.parametrize("method", ["event", "points", "flush", "close"])
@pytest.mark.parametrize("good", [0, 1, 20])
def test_a_sink_that_fails_ends_the_record_and_nothing_else(
    method: str, good: int, bare: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    watched(bare, around=lambda sink: Full(sink, method, good))
    lines = told(capsys)
    assert len(lines) == (good < {"event": 99, "points": 99, "flush": 2, "close": 1}[method])
    assert all("No space left on device" in line for line in lines)


def test_nobody_reads_the_fault(bare: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise ValueError("I/O operation on closed file")

        flush = write

    monkeypatch.setattr(OURS["signals.tensors.norm"], "__code__", out_of_memory.__code__)
    for stderr in (None, Closed()):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stderr)
            assert watched(bare).all(Fault)


def test_an_alert_that_nobody_can_show_does_no_harm(
    bare: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = watched(bare, on_alert=out_of_memory)
    assert [f.part for f in run.all(Fault)] == ["alerts"]
    assert len(told(capsys)) == 1


def test_clocks_that_jump_change_nothing(
    bare: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from penlight.probe import guard, readout, schedule

    now, leap = 1e9, iter([0.0, 3600.0, -7200.0, 1e-9, 86400.0] * 100_000)

    def clock() -> float:
        nonlocal now
        now += next(leap)
        return now

    for module, name in (
        (time, "time"),
        (readout, "monotonic"),
        (schedule, "perf_counter"),
        (guard, "perf_counter"),
        (guard, "thread_time"),
    ):
        monkeypatch.setattr(module, name, clock)
    run = watched(bare, examine=True)
    assert run.all(Fault) == []
    assert run.series("loss")
    assert told(capsys) == []


def test_a_reader_that_holds_the_file_and_a_second_run_beside_it(
    bare: list[Any], tmp_path: Path
) -> None:
    from penlight.launch.ranks import open_segment
    from penlight.store.reader import load

    first = open_segment(tmp_path / "run", 0)
    held = first.path.open("rb")
    probe = Probe(first)
    probe.start()
    second = open_segment(tmp_path / "run", 0)  # somebody starts the same under the same name
    seen = eventful()
    second.points("loss", "SGD", (0,), (1.0,))
    probe.finish(0)
    second.close()
    assert all(same(a, b) for a, b in zip(bare, seen, strict=True))
    assert held.read() == first.path.read_bytes()
    held.close()
    assert load(first.path.parent).all(Fault) == []
    assert second.path.parent != first.path.parent
    assert len(load(second.path.parent).series("loss")) == 1


# -- detectors ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded() -> Run:
    sink = MemorySink()
    probe = Probe(sink, budget=1.0)
    probe.start()
    eventful()
    probe.finish(0)
    return sink.run()


def test_a_detector_that_fails_costs_only_its_own_findings(
    recorded: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = diagnose(recorded)
    assert whole.faults == ()
    names = {f.pitfall for f in whole.findings}
    assert names
    for name, pitfall in catalogue().items():
        with monkeypatch.context() as patch:
            patch.setattr(type(pitfall), "detect", out_of_memory)
            left = diagnose(recorded)
        assert [name in fault and MESSAGE in fault for fault in left.faults] == [True]
        assert {f.pitfall for f in left.findings} == names - {name}


def test_diagnosing_inside_a_script_that_turns_every_warning_into_an_error(recorded: Run) -> None:
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert diagnose(recorded).faults == ()


# -- a whole script -------------------------------------------------------------------------

STRICT = """
import warnings
warnings.simplefilter("error")
import numpy as np
np.seterr(all="raise")
import torch
torch.use_deterministic_algorithms(True)
torch.set_default_dtype(torch.float64)
torch.set_default_device("cpu")
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
optimizer = torch.optim.Adam(net.parameters(), 1e-3)
for _ in range(12):
    x = torch.randn(16, 4)
    loss = torch.nn.functional.mse_loss(net(x), x.sum(1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
"""


def test_a_strict_script_runs_under_python_with_strict_warnings(tmp_path: Path) -> None:
    script = tmp_path / "strict.py"
    script.write_text(STRICT, encoding="utf-8")

    def run(*before: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", *before, str(script)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=240, check=False
        )

    alone, seen = run(), run("-m", "penlight", "run")
    assert (seen.returncode, alone.returncode) == (0, 0), seen.stderr
    assert seen.stdout == alone.stdout
    assert "failed" not in seen.stderr
    assert "Warning" not in seen.stderr
