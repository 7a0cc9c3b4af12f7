"""What watching costs: Penlight and its peers against the bare training, on three small models.

    ./do bench overhead/measure               into benchmarks/overhead/RESULTS.md (hours)
    ./do bench overhead/measure --compiled    by torch.compile, into RESULTS-compiled.md
    ./do bench overhead/measure --quick       tiny models and few steps: does it run at all?

Every run is a process of its own, since hooks of one tool would slow down the next. A round runs
each variant once, in random order, and `bare` twice: the second one, `bare again`, shows what the
machine does to two equal things. The measure is process CPU time of the training with everything
that the tool does until it is done; ratios are taken within a round and their median is given with
a bootstrap 95% interval. `late` is the second half of the steps alone: what a long run pays, when
one-off work at the start (Penlight's allowance of one second) is over. A compiled model is compiled
with the tool on it, before the clock starts. A peer that is not installed is left out with a note.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
STEPS = {"mlp": 1500, "resnet": 400, "transformer": 200}
QUICK = {"mlp": 12, "resnet": 6, "transformer": 6}


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


def one(name: str, variant: str, quick: bool, compiled: bool) -> dict[str, float]:
    """One training; CPU seconds of the whole and of the second half of the steps."""
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(1)
    steps = (QUICK if quick else STEPS)[name]
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

    if compiled:
        model = torch.compile(model)
    else:
        warm_up()
    with watched(variant, model, optimizer) as after:
        if compiled:
            warm_up()
        begin = time.process_time()
        for i in range(steps):
            if i == steps // 2:
                half = time.process_time()
            after(step())
        end = time.process_time()
    return {"whole": time.process_time() - begin, "late": end - half}


# -- the table ------------------------------------------------------------------------------


def missing(variants: list[str]) -> list[str]:
    """The variants whose package is not installed."""
    ours = [variant for variant in VARIANTS if variant.startswith(("bare", "penlight"))]
    others = [variant for variant in variants if variant not in ours]
    return [v for v in others if importlib.util.find_spec(NEEDS.get(v, v)) is None]


def run(name: str, variant: str, options: list[str]) -> dict[str, float] | None:
    """`one` in a process of its own; None when the tool fails."""
    command = [sys.executable, __file__, "--one", name, variant, *options]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_SILENT": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    lines = [x for x in done.stdout.splitlines() if x.startswith("MEASURED ")]
    if not lines:
        print(f"{name} {variant}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    result: dict[str, float] = json.loads(lines[-1].removeprefix("MEASURED "))
    return result


def interval(ratios: list[float]) -> str:
    """Median with a bootstrap 95% interval."""
    dice = random.Random(0)
    medians = sorted(statistics.median(dice.choices(ratios, k=len(ratios))) for _ in range(2000))
    low, high = medians[50], medians[-51]
    return f"{statistics.median(ratios):.3f} [{low:.3f}, {high:.3f}]"


def table(found: dict[str, list[dict[str, dict[str, float]]]], variants: list[str]) -> list[str]:
    """Rows of Markdown, a line for each variant."""
    names = list(found)
    lines = [
        "| variant | " + " | ".join(f"{n}, whole | {n}, late" for n in names) + " |",
        "|---" * (1 + 2 * len(names)) + "|",
    ]
    for variant in variants:
        cells = []
        for name in names:
            for part in ("whole", "late"):
                pairs = [
                    (r[variant][part], r["bare"][part])
                    for r in found[name]
                    if variant in r and "bare" in r
                ]
                if variant == "bare":
                    text = f"{statistics.median(a for a, _ in pairs):.2f} s" if pairs else "-"
                else:
                    text = interval([a / b for a, b in pairs]) if pairs else "-"
                cells.append(text)
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny models, 2 rounds")
    parser.add_argument("--rounds", type=int, help="12 unless told; 2 with --quick")
    parser.add_argument("--only", nargs="*", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--out", type=Path, help="where the table goes; stdout with --quick")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "VARIANT"), help=argparse.SUPPRESS)
    parser.add_argument("--compiled", action="store_true", help="the models by torch.compile")
    args = parser.parse_args()
    if args.one:
        print("MEASURED " + json.dumps(one(*args.one, args.quick, args.compiled)))
        return
    options = ["--quick"] * args.quick + ["--compiled"] * args.compiled
    absent = missing(args.variants)
    args.variants = [variant for variant in args.variants if variant not in absent]
    rounds = args.rounds or (2 if args.quick else 12)
    found: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in args.only}
    dice = random.Random(1)
    for number in range(rounds):
        jobs = [(name, variant) for name in args.only for variant in args.variants]
        dice.shuffle(jobs)
        for name in args.only:
            found[name].append({})
        for name, variant in jobs:
            measured = run(name, variant, options)
            if measured is not None:
                found[name][-1][variant] = measured
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    import torch

    where = (
        f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC; {rounds} rounds; "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, one thread."
    )
    text = [
        "# What watching costs",
        "",
        where,
        f"Command: `python benchmarks/overhead/measure.py {' '.join(sys.argv[1:])}`",
        "",
        ("Models compiled by torch.compile. " if args.compiled else "")
        + "Ratio of process CPU time to bare, median of the rounds with a 95% interval.",
        "",
        *table(found, args.variants),
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
