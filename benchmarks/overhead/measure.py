"""What watching costs: Penlight and its peers against the bare training, on three small models.

    ./do bench overhead/measure               into benchmarks/overhead/RESULTS.md (an hour)
    ./do bench overhead/measure --compiled    by torch.compile, into RESULTS-compiled.md
    ./do bench overhead/measure --quick       tiny models and few steps: does it run at all?

Every variant is a process of its own, since hooks of one tool would slow down the next. They take
turns on one core, a fortieth of the training each and in random order, so what the machine does
meanwhile happens to all of them; the clocks of a process stand still while others have their turn.
`bare again` shows what is left of the machine's moods: what happens to two equal things. The
measure is process CPU time. `late` is the second half of the steps alone: what a long run pays when
one-off work at the start (Penlight's allowance of one second) is over. A compiled model is compiled
with the tool on it, before the clock starts. A peer that is not installed is left out with a note.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import os
import platform
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VARIANTS = (
    "bare",
    "bare again",
    "penlight",
    "penlight full",
    "torchmortem",
    "torch-audit",
    "wandb.watch",
    "lightning",
)
NEEDS = {"torch-audit": "torch_audit", "wandb.watch": "wandb"}  # where the module's name differs
SAYS = {
    "bare again": "the null comparison: the same as bare",
    "penlight": "penlight.watch, as it comes: budget 1% and one second",
    "penlight full": "penlight.watch(budget=1.0): all that it looks at by its schedule",
    "torchmortem": "Autopsy(model, optimizer), step(loss) each step",
    "torch-audit": "autopatch(model, optimizer), a look every 1000 steps (its default)",
    "wandb.watch": "wandb.watch(model, log='all', log_freq=100), offline, loss logged each step",
    "lightning": "Lightning's grad_norm(model, 2) before each optimiser step, read as numbers",
}
STEPS = {"mlp": 4000, "resnet": 700, "transformer": 200}  # 100 s each: late, the allowance is used
QUICK = {"mlp": 80, "resnet": 40, "transformer": 40}
TURNS = 40
# glibc decides by what was freed before how it gives out megabytes: without this the mere import of
# a large package made the MLP's steps up to 20% faster.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}


# -- the trainings --------------------------------------------------------------------------


def workload(name: str, quick: bool) -> tuple[Any, Any, Callable[[], tuple[Any, Any]]]:
    """Model, optimiser and a function that deals a batch."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    if name == "mlp":
        width, batch = (32, 8) if quick else (512, 128)
        layers: list[Any] = []
        for _ in range(8):
            layers += [nn.Linear(width, width), nn.ReLU()]
        model: Any = nn.Sequential(*layers, nn.Linear(width, 10))
        x, y = torch.randn(batch, width), torch.randint(10, (batch,))
    elif name == "resnet":
        width, batch = (4, 4) if quick else (16, 32)
        model = resnet(width)
        x, y = torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))
    else:
        width, batch, length = (32, 2, 16) if quick else (256, 8, 128)
        model = transformer(width, length)
        x, y = torch.randint(64, (batch, length)), torch.randint(64, (batch * length,))
    return model, torch.optim.AdamW(model.parameters(), lr=1e-4), lambda: (x, y)


def resnet(width: int) -> Any:
    """ResNet-20 for pictures of 32 x 32, at a width of one's choice."""
    from torch import Tensor, nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.norm1 = nn.BatchNorm2d(after)
            self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(after)
            self.relu = nn.ReLU()
            same = before == after
            self.skip = nn.Identity() if same else nn.Conv2d(before, after, 1, stride)

        def forward(self, x: Tensor) -> Tensor:
            h = self.relu(self.norm1(self.first(x)))
            h = self.norm2(self.second(h)) + self.skip(x)
            return self.relu(h)  # type: ignore[no-any-return]

    layers: list[Any] = [nn.Conv2d(3, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for stage in range(3):
        for i in range(3):
            layers.append(Block(before, width << stage, 2 if stage and not i else 1))
            before = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def transformer(width: int, length: int) -> Any:
    """Six layers that predict the next of 64 tokens."""
    import torch
    from torch import Tensor, nn

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Embedding(64, width)
            self.place = nn.Embedding(length, width)
            layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, batch_first=True)
            self.layers = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
            self.head = nn.Linear(width, 64)

        def forward(self, x: Tensor) -> Tensor:
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
            h = self.token(x) + self.place(torch.arange(x.shape[1]))
            out: Tensor = self.head(self.layers(h, mask=mask, is_causal=True)).flatten(0, 1)
            return out

    return Decoder()


# -- the tools ------------------------------------------------------------------------------


@contextmanager
def watched(variant: str, model: Any, optimizer: Any) -> Iterator[Callable[[Any], None]]:
    """Put a tool on; gives what it wants to have called after each step."""
    if variant in ("penlight", "penlight full"):
        import penlight

        budget = 0.01 if variant == "penlight" else 1.0
        with penlight.watch(model, optimizer, budget=budget):
            yield lambda _: None
    elif variant == "torchmortem":
        from torchmortem import Autopsy

        with Autopsy(model, optimizer=optimizer) as autopsy:
            yield lambda loss: autopsy.step(loss=loss)
    elif variant == "torch-audit":
        from torch_audit import autopatch

        auditor = autopatch(model, optimizer=optimizer)
        yield lambda _: None
        auditor.finish()
        auditor.unpatch()
    elif variant == "wandb.watch":
        import wandb

        run = wandb.init(mode="offline", dir=tempfile.mkdtemp(), settings={"silent": True})
        wandb.watch(model, log="all", log_freq=100)
        yield lambda loss: run.log({"loss": loss.item()})
        run.finish()
    elif variant == "lightning":
        from lightning.pytorch.utilities import grad_norm

        def look(*_: Any) -> None:
            for norm in grad_norm(model, 2).values():
                float(norm)

        handle = optimizer.register_step_pre_hook(look)
        yield lambda _: None
        handle.remove()
    else:
        yield lambda _: None


class Turns:
    """Clocks that stand while other processes have their turn: a budget is a share of the time."""

    def __init__(self) -> None:
        self._real, self._lost, self._since = time.perf_counter, 0.0, 0.0
        time.perf_counter = time.monotonic = self._now

    def _now(self) -> float:
        return (self._since or self._real()) - self._lost

    def wait(self) -> str:
        """The next line of the standard input; empty when there is none to come."""
        self._since = self._real()
        line = sys.stdin.readline().strip()
        self._lost += self._real() - self._since
        self._since = 0.0
        return line


def work(name: str, variant: str, quick: bool, compiled: bool) -> None:
    """One training, a turn at a time: for each number of steps read, the CPU seconds they took.

    The first number is of putting the tool on, the last one, at the end of the input, of taking it
    off. Before them comes a line that says that the process is ready.
    """
    import torch
    from torch.nn import functional as F

    turns = Turns()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # all of them on the same core
    model, optimizer, deal = workload(name, quick)

    def step() -> Any:
        x, y = deal()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def warm_up() -> None:  # what torch does once is nobody's cost
        for _ in range(3):
            step()

    def tell(seconds: float) -> None:
        print(f"MEASURED {seconds}", flush=True)

    if compiled:
        model = torch.compile(model)
    else:
        warm_up()
    tell(0.0)  # ready
    turns.wait()
    begin = time.process_time()
    with watched(variant, model, optimizer) as after:
        spent = time.process_time() - begin
        if compiled:
            warm_up()
        tell(spent)
        while steps := turns.wait():
            begin = time.process_time()
            for _ in range(int(steps)):
                after(step())
            tell(time.process_time() - begin)
        begin = time.process_time()
    tell(time.process_time() - begin)


# -- the table ------------------------------------------------------------------------------


def missing(variants: list[str]) -> list[str]:
    """The variants whose package is not installed."""
    ours = [variant for variant in VARIANTS if variant.startswith(("bare", "penlight"))]
    others = [variant for variant in variants if variant not in ours]
    return [v for v in others if importlib.util.find_spec(NEEDS.get(v, v)) is None]


class Worker:
    """`work` in a process of its own."""

    def __init__(self, name: str, variant: str, options: list[str]) -> None:
        self.title = f"{name} {variant}"
        self._complaint = tempfile.TemporaryFile("w+")  # noqa: SIM115  # lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--one", name, variant, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaint, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "WANDB_SILENT": "true", **ALLOCATOR},
        )  # fmt: skip
        self._answer()  # ready: nothing of its start runs in another's turn

    def turn(self, steps: int | None) -> float | None:
        """CPU seconds of so many steps, or of the end; None where the tool fails."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            if steps is None:
                self._process.stdin.close()
            else:
                self._process.stdin.write(f"{steps}\n")
                self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> float | None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("MEASURED "):
                return float(line.removeprefix("MEASURED "))
        self._complaint.seek(0)
        print(f"{self.title}: {self._complaint.read().splitlines()[-1:]}", file=sys.stderr)
        return None

    def close(self) -> None:
        """Wait for its end."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait()
        self._complaint.close()


def side_by_side(
    name: str, variants: list[str], options: list[str], quick: bool, dice: random.Random
) -> dict[str, list[float]]:
    """CPU seconds of each turn by variant: putting it on, the steps, taking it off."""
    each = (QUICK if quick else STEPS)[name] // TURNS
    workers = {variant: Worker(name, variant, options) for variant in variants}
    spent: dict[str, list[float]] = {variant: [] for variant in variants}
    for steps in (0, *[each] * TURNS, None):
        for variant in dice.sample(list(spent), len(spent)):
            seconds = workers[variant].turn(steps)
            if seconds is None:
                del spent[variant]
            else:
                spent[variant].append(seconds)
    for worker in workers.values():
        worker.close()
    return spent


def ratio(ours: list[float], bare: list[float]) -> str:
    """Of the sums, with a 95% interval by bootstrap over the turns."""
    dice = random.Random(0)
    pairs = list(zip(ours, bare, strict=True))

    def of(sample: list[tuple[float, float]]) -> float:
        return sum(a for a, _ in sample) / sum(b for _, b in sample)

    found = sorted(of(dice.choices(pairs, k=len(pairs))) for _ in range(2000))
    return f"{of(pairs):.3f} [{found[50]:.3f}, {found[-51]:.3f}]"


def table(name: str, found: list[dict[str, list[float]]], variants: list[str]) -> list[str]:
    """Lines of Markdown about one training, a row for each variant."""
    lines = ["", f"## {name}", "", "| variant | all steps | late | once |", "|---|---|---|---|"]
    for variant in variants:
        rounds = [r for r in found if variant in r]
        cells = []
        for first in (1, 1 + TURNS // 2):
            ours, bare = ([s for r in rounds for s in r[v][first:-1]] for v in (variant, "bare"))
            if variant == "bare":
                cells.append(f"{sum(bare) / max(len(rounds), 1):.1f} s")
            else:
                cells.append(ratio(ours, bare) if ours else "-")
        once = [r[variant][0] + r[variant][-1] for r in rounds]
        cells.append(f"{statistics.mean(once):.1f} s" if once else "-")
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny models, few steps")
    parser.add_argument("--rounds", type=int, help="1 unless told")
    parser.add_argument("--only", nargs="*", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--out", type=Path, help="where the table goes; stdout with --quick")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "VARIANT"), help=argparse.SUPPRESS)
    parser.add_argument("--compiled", action="store_true", help="the models by torch.compile")
    args = parser.parse_args()
    if args.one:
        work(*args.one, args.quick, args.compiled)
        return
    options = ["--quick"] * args.quick + ["--compiled"] * args.compiled
    absent = missing(args.variants)
    args.variants = [variant for variant in args.variants if variant not in absent]
    rounds = args.rounds or 1
    found: dict[str, list[dict[str, list[float]]]] = {name: [] for name in args.only}
    dice = random.Random(1)
    for number in range(rounds):
        for name in args.only:
            found[name].append(side_by_side(name, args.variants, options, args.quick, dice))
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
    import torch

    where = (
        f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC; "
        f"{rounds} round{'s' * (rounds > 1)}; "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, one thread."
    )
    text = [
        "# What watching costs",
        "",
        where,
        f"Command: `python benchmarks/overhead/measure.py {shlex.join(sys.argv[1:])}`",
        "",
        ("Models compiled by torch.compile. " if args.compiled else "")
        + f"All variants run side by side on one core, in {TURNS} turns each. Ratio of process CPU "
        "time to bare with a 95% interval over the turns; once: seconds for the tool's import, for "
        "putting it on and for its last words.",
        *(line for name in args.only for line in table(name, found[name], args.variants)),
        "",
        *(f"- {name}: {what}" for name, what in SAYS.items() if name in args.variants),
        *(f"- {name}: left out, it is not installed here" for name in absent),
        "- steps: " + ", ".join(f"{n} {(QUICK if args.quick else STEPS)[n]}" for n in args.only),
        "",
    ]
    out = args.out or (
        None if args.quick else HERE / ("RESULTS-compiled.md" if args.compiled else "RESULTS.md")
    )
    if out is None:
        print("\n".join(text))
    else:
        out.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
