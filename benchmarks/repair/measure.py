"""Let `penlight fix` repair programs whose right form is known, and count what it achieves.

    python benchmarks/repair/measure.py demos
    python benchmarks/repair/measure.py published --split dev
    python benchmarks/repair/measure.py healthy --sample 12
    python benchmarks/repair/measure.py harm                       (or lot: see programs.py)
    python benchmarks/repair/measure.py multi
    python benchmarks/repair/measure.py placebo
    python benchmarks/repair/measure.py published --policy random  (or rate: for comparison)
    python benchmarks/repair/measure.py compare                    (of what the others have kept)

A program is fixed with seed 0. Then the script as it is, the patched one and the known good one run
on fresh seeds, without Penlight, and the RESULT lines that they print are compared; of published
programs the results that admit.py has measured on these seeds are taken. The gap closed is
(patched - as it is) / (good - as it is), of the medians over the seeds; a program counts as
repaired from 0.9 on. Results are kept line by line in --out, so that it goes on where it was
interrupted. With --sample N it takes N programs by lot (--lot is the seed of the lot). For a
comparison, --as FILE gives each program the budget that the runs in that file took; `compare`
then puts published programs under all three policies into one table. Writes
benchmarks/repair/RESULTS-<what>.md unless --only names programs.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compare import POLICIES, comparison
from multi import multi
from placebo import placebo
from programs import Program, harm, lot

HERE = Path(__file__).resolve().parent
BENCHMARKS = HERE.parent
FRESH = (1, 2, 3)
TIMEOUT = 1800.0
REPAIRED = 0.9
LEAST = 8.0  # runs: with less, nothing is tried where only pairs of whole runs prove it


@dataclass(frozen=True)
class Row:
    """What came of one program. Results are medians over the fresh seeds."""

    name: str
    policy: str
    accepted: bool
    edits: str
    why: str
    runs: float
    seconds: float
    before: float
    after: float
    good: float
    closed: float
    spent: dict[str, float] = field(default_factory=dict)  # runs by stage
    single: float | None = None  # gap closed by the best repair of one fault alone, on one seed


def demos() -> Iterator[Program]:
    from penlight.catalogue import catalogue

    for name, card in catalogue().items():
        if card.demo is not None:
            yield Program(name, card.demo.script, card.demo.cured, card.demo.better == "higher")


def published(split: str) -> Iterator[Program]:
    for path in sorted((BENCHMARKS / "published" / "cases").glob("*/case.json")):
        case = json.loads(path.read_text())
        ready = case.get("admitted") and "measured" in case  # by admit.py
        if ready and case["split"] == split and case["role"] != "control":
            yield Program(
                case["id"],
                path.with_name("buggy.py").read_text(),
                path.with_name("fixed.py").read_text(),
                bool(case["higher_is_better"]),
                tuple(zip(*_kept(case["measured"]), strict=True)),
            )


def _kept(measured: dict[str, list[float | None]]) -> Iterator[list[float]]:
    """The results by seed of the script as it is and of the good one."""
    for form in ("buggy", "fixed"):
        yield [math.nan if value is None else value for value in measured[form]]


def healthy() -> Iterator[Program]:
    for path in sorted((BENCHMARKS / "healthy").glob("*.py")):
        if path.stem != "measure":
            yield Program(path.stem, path.read_text(), path.read_text(), True)


def repair(program: Program, policy: str, budget: float, out: Path) -> Row:
    """Fix one program, then compare the three forms on fresh seeds. What fix said goes to `out`."""
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        (folder / "train.py").write_text(program.faulty)
        words = [sys.executable, "-m", "penlight", "fix", "--quiet", "--json", "fix.json"]
        words += ["--budget", f"{budget:g}", "--policy", policy, "train.py", "0"]
        try:
            done = subprocess.run(
                words, cwd=folder, env=_env(), capture_output=True, text=True,
                timeout=TIMEOUT, check=False,
            )  # fmt: skip
            said = json.loads((folder / "fix.json").read_text())
            kept = out / f"{program.name.partition(':')[0]}-{policy}.json"
            shutil.copy(folder / "fix.json", kept)
        except subprocess.TimeoutExpired:
            return _row(program, policy, why=f"over {TIMEOUT:.0f} s")
        except OSError:
            return _row(program, policy, why=(done.stderr.strip().splitlines() or ["?"])[-1])
        if said["patch"]:
            subprocess.run(
                ["patch", "-p1", "-s"], input=said["patch"], cwd=folder, text=True, check=True
            )
        patched = (folder / "train.py").read_text()
        values = _values(folder, program, patched)
        alone = [_results(folder, text, FRESH[:1]) for text in program.singles]
    sign = 1.0 if program.higher else -1.0
    finite = [[sign * v if math.isfinite(v) else -1e9 for v in row] for row in [*values, *alone]]
    # Of medians, not the median of ratios: on a lucky seed there is no gap to divide by.
    before, after, good, *singles = (statistics.median(row) for row in finite)
    gap = good - before
    closed = (after - before) / gap if gap else math.nan
    single = (max(singles) - before) / gap if singles and gap else None
    best = next((t for t in said["trials"] if t["verdict"] == "accept"), None)
    return Row(
        program.name,
        policy,
        said["accepted"],
        " ".join(best["edits"]) if best else "",
        said["why"],
        said["cost"]["runs"],
        said["cost"]["seconds"],
        *(statistics.median(row) for row in values),
        closed=closed if said["accepted"] else 0.0,
        spent=said["cost"]["by"],
        single=single,
    )


def _values(folder: Path, program: Program, patched: str) -> list[list[float]]:
    """Results on the fresh seeds: as it is, patched, good."""
    forms = [program.faulty, patched, program.good]
    if not program.kept:
        found = {text: _results(folder, text) for text in dict.fromkeys(forms)}
        return [found[text] for text in forms]
    before, good = ([pair[i] for pair in program.kept[1 : 1 + len(FRESH)]] for i in (0, 1))
    return [before, before if patched == program.faulty else _results(folder, patched), good]


def _row(program: Program, policy: str, why: str) -> Row:
    nan = math.nan
    return Row(program.name, policy, False, "", why, nan, nan, nan, nan, nan, 0.0)


# Runs a script once for each seed, forked from one process that has loaded torch.
EACH = """
import os, runpy, sys, torch
for seed in sys.argv[1:]:
    child = os.fork()
    if not child:
        sys.stdout = open(f"out{seed}.txt", "w")
        sys.argv = ["again.py", seed]
        runpy.run_path("again.py", run_name="__main__")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def _results(folder: Path, text: str, seeds: Sequence[int] = FRESH) -> list[float]:
    """A script's RESULT on each seed; NaN where there is none."""
    from penlight.lab import result

    (folder / "again.py").write_text(text)
    kept = [folder / f"out{seed}.txt" for seed in seeds]
    for path in kept:
        path.unlink(missing_ok=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [sys.executable, "-c", EACH, *map(str, seeds)], cwd=folder, env=_env(),
            capture_output=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
    return [result(path.read_text()) if path.exists() else math.nan for path in kept]


def _env() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def today() -> str:
    return dt.datetime.now().astimezone().date().isoformat()


def share(part: Sequence[Row], whole: Sequence[Row]) -> str:
    return f"{len(part) / len(whole):.0%}"


def commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return said.stdout.strip()


def table(rows: Sequence[Row], command: str, what: str) -> str:
    """The results as Markdown."""
    tried = [r for r in rows if r.runs > 1]
    own = statistics.median([r.runs - 1 for r in tried] or [math.nan])
    stages: dict[str, float] = {}
    for row in rows:
        for stage, runs in row.spent.items():
            stages[stage] = stages.get(stage, 0.0) + runs / len(rows)
    by = ", ".join(f"{stage} {runs:.1f}" for stage, runs in stages.items())
    accepted = [r for r in rows if r.accepted]
    repaired = [r for r in rows if r.closed >= REPAIRED]
    harmed = [r for r in accepted if r.closed < 0]
    cost = statistics.median([r.runs for r in rows if math.isfinite(r.runs)] or [math.nan])
    closed = statistics.mean([min(1.0, max(-1.0, r.closed)) for r in rows])
    alone = "by one repair alone | " if any(r.single is not None for r in rows) else ""
    lines = [
        f"# Repair: {what}",
        "",
        f"{today()}, {os.cpu_count()} cores, no GPU, commit {commit()}: `{command}`",
        "",
        "| | programs | share |",
        "|---|---|---|",
        f"| repaired (gap closed >= {REPAIRED}) | {len(repaired)} | {share(repaired, rows)} |",
        f"| a cure accepted | {len(accepted)} | {share(accepted, rows)} |",
        f"| made worse by the patch | {len(harmed)} | {share(harmed, rows)} |",
        f"| gap closed, mean, each cut to -1 ... 1 | {len(rows)} | {closed:.2f} |",
        f"| cost in runs of the script, median | {len(rows)} | {cost:.1f} |",
        f"| the same without the first run, where something was tried | {len(tried)} | {own:.1f} |",
        "",
        f"Runs by stage, mean: {by}.",
        "",
        f"| program | {alone}gap closed | as it is | patched | good | runs | edits, or why none |",
        "|---|---|---|---|---|---|---|" + ("---|" if alone else ""),
    ]
    for r in sorted(rows, key=lambda r: (-(r.closed >= REPAIRED), r.name)):
        numbers = " | ".join(f"{v:.4g}" for v in (r.before, r.after, r.good))
        one = f"{r.single:.2f} | " if r.single is not None else "| " if alone else ""
        lines.append(
            f"| {r.name} | {one}{r.closed:.2f} | {numbers} | {r.runs:.1f} | {r.edits or r.why} |"
        )
    return "\n".join(lines) + "\n"


def _read(out: Path, label: str, policy: str = "doctor") -> list[dict[str, Any]]:
    """The rows that were kept."""
    path = out / f"{label}{'' if policy == 'doctor' else f'-{policy}'}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what",
        choices=["demos", "published", "healthy", "harm", "multi", "lot", "placebo", "compare"],
    )
    parser.add_argument("--split", default="dev")
    parser.add_argument("--sample", type=int, default=0, help="so many programs by lot")
    parser.add_argument("--lot", type=int, default=0, help="seed of the lot")
    parser.add_argument("--as", dest="alike", type=Path, help="budgets from the runs in this file")
    parser.add_argument("--policy", default="doctor", choices=["doctor", "random", "rate"])
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--jobs", type=int, default=1, help="programs at a time")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "repair")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.what == "placebo":
        (HERE / "RESULTS-placebo.md").write_text(placebo(options.out / "placebo.jsonl"))
        return
    if options.what == "compare":
        found = {p: _read(options.out, f"published-{options.split}", p) for p in POLICIES}
        head = f"{today()}, {os.cpu_count()} cores, no GPU, commit {commit()}"
        (HERE / "RESULTS-comparison.md").write_text(comparison(found, head, REPAIRED))
        return
    label = f"{options.what}-{options.split}" if options.what == "published" else options.what
    label += "" if options.policy == "doctor" else f"-{options.policy}"
    kept = options.out / f"{label}.jsonl"
    rows = [Row(**row) for row in _read(options.out, label)]
    programs = {
        "demos": demos, "healthy": healthy, "published": lambda: published(options.split),
        "harm": harm, "multi": multi, "lot": lot,
    }[options.what]()  # fmt: skip
    only = set(options.only)
    wanted = [p for p in programs if not options.only or {p.name, p.name.partition(":")[0]} & only]
    if not wanted:
        parser.error("no program of that name was admitted in this split: see admit.py")
    if options.sample:
        draw = random.Random(options.lot)
        wanted = draw.sample(wanted, min(options.sample, len(wanted)))
    budgets = {}
    if options.alike:
        alike = [json.loads(line) for line in options.alike.read_text().splitlines()]
        budgets = {row["name"]: max(LEAST, row["runs"]) for row in alike}
        wanted = [p for p in wanted if p.name in budgets]
    missing = [p for p in wanted if p.name not in {r.name for r in rows}]

    def start(program: Program) -> Row:
        budget = budgets.get(program.name, options.budget)
        return repair(program, options.policy, budget, options.out)

    with ThreadPoolExecutor(options.jobs) as pool, kept.open("a") as file:
        for row in pool.map(start, missing):
            rows.append(row)
            file.write(json.dumps(asdict(row)) + "\n")
            file.flush()
            print(
                f"{row.name:32} {row.closed:6.2f} {row.runs:5.1f} {row.edits or row.why}",
                flush=True,
            )
    rows = [r for r in rows if r.name in {p.name for p in wanted}]
    text = table(rows, f"python {' '.join(['benchmarks/repair/measure.py', *sys.argv[1:]])}", label)
    if options.only:
        print(text)
    else:
        (HERE / f"RESULTS-{label}.md").write_text(text)


if __name__ == "__main__":
    main()
