"""Measure the cases and decide which of them separate.

    python benchmarks/published/admit.py [--only ID ...] [--jobs N]

Runs buggy.py and fixed.py of every case over seeds 0-4 and rewrites "measured" and
"admitted" in its case.json. A case is admitted when the fixed form is better in all five
paired seeds (no value, or NaN, counts as worst) and, on average, by at least 5 accuracy
points or 20% of the loss. A control has nothing to separate:
whether it is admitted (it trains well on all seeds) is for its author to say.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

CASES = Path(__file__).parent / "cases"
SEEDS = range(5)
MIN_POINTS = 0.05  # of accuracy
MIN_SHARE = 0.20  # of the buggy form's loss
TIMEOUT = 300.0  # wall clock

Value = float | None


def cpu_seconds() -> float:
    """CPU time of this worker's children so far; the wall clock of a shared machine says little."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(script: Path, seed: int) -> tuple[Value, float]:
    """The value on the script's last line, and the CPU seconds it took."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    before = cpu_seconds()
    done = subprocess.run(
        [sys.executable, script.name, str(seed)], cwd=script.parent, env=env,
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    seconds = cpu_seconds() - before
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("RESULT "):
        raise RuntimeError(f"{script} {seed}: exit {done.returncode}\n{done.stderr[-1500:]}")
    return json.loads(lines[-1].removeprefix("RESULT "))["value"], seconds


def separates(buggy: list[Value], fixed: list[Value], higher_is_better: bool) -> bool:
    sign = 1.0 if higher_is_better else -1.0

    def goodness(value: Value) -> float:
        return -math.inf if value is None or math.isnan(value) else sign * value

    pairs = [(goodness(b), goodness(f)) for b, f in zip(buggy, fixed, strict=True)]
    if not all(f > b for b, f in pairs):
        return False
    gain = sum(f - b for b, f in pairs) / len(pairs)
    if higher_is_better:
        return gain >= MIN_POINTS
    mean_loss = sum(-b for b, _ in pairs) / len(pairs)
    return math.isinf(mean_loss) or gain >= MIN_SHARE * mean_loss


def measure(folder: Path) -> str:
    path = folder / "case.json"
    case = json.loads(path.read_text())
    slowest = 0.0
    values: dict[str, list[Value]] = {}
    for form in ("buggy", "fixed"):
        if not (folder / f"{form}.py").exists():
            continue
        runs = [run(folder / f"{form}.py", seed) for seed in SEEDS]
        values[form] = [None if v is None else round(v, 5) for v, _ in runs]
        slowest = max(slowest, *(s for _, s in runs))
    case["measured"] = {**values, "seconds": round(slowest, 1)}
    if case["role"] != "control":
        case["admitted"] = separates(values["buggy"], values["fixed"], case["higher_is_better"])
    path.write_text(json.dumps(case, indent=1) + "\n")
    return f"{'admitted' if case['admitted'] else 'NOT     '} {case['id']:24} {case['measured']}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="ID", help="only these cases")
    parser.add_argument("--jobs", type=int, default=1, help="cases measured at the same time")
    args = parser.parse_args()
    folders = sorted(p.parent for p in CASES.glob("*/case.json"))
    if args.only:
        folders = [f for f in folders if f.name in args.only]
    failed = False
    with ProcessPoolExecutor(args.jobs) as pool:
        for job in [pool.submit(measure, f) for f in folders]:
            try:
                print(job.result(), flush=True)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failed = True
                print(f"FAILED   {error}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
