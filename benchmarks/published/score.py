"""Let Penlight examine the published programs, count what it got right (Python 3.11 or later).

    python benchmarks/published/score.py --split dev
    python benchmarks/published/score.py --only SO-BROADCAST TDC-eps --no-healthy --out /tmp/json

Every admitted buggy script, its fixed twin, every control and the scripts of benchmarks/healthy
run under `penlight run --json`; those of some blind sets have healthy scripts of their own, as
benchmarks/healthy/controls.toml says. A finding counts when it is critical or a warning; notes do
not count. Writes benchmarks/published/RESULTS-<split>.md (only for whole splits, not with --only,
and for a blind one only once: its table counts because nobody had looked before).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomllib
from scipy.stats import binomtest

HERE = Path(__file__).resolve().parent
HEALTHY = HERE.parent / "healthy"
SPLITS = ["dev", "test", "blind", *(f"blind{n}" for n in range(2, 18)), "all"]
NOT_A_TRAINING = {"measure"}  # the tables of benchmarks/healthy
TIMEOUT = 600.0
COUNTS = {"critical", "warning"}
CONFIDENCES = [(0.0, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 1.01)]


@dataclass(frozen=True)
class Task:
    """One script with one seed. Labels are the accepted causes; healthy ones have none."""

    case: str
    kind: str  # buggy, fixed, control, healthy
    script: Path
    seed: int
    split: str
    labels: tuple[str, ...] = ()
    seen: bool = False  # somebody looked at its result while the detectors were written

    @property
    def name(self) -> str:
        return f"{self.case}.{self.kind}.{self.seed}"


@dataclass(frozen=True)
class Outcome:
    task: Task
    pitfalls: tuple[str, ...] = ()  # that count, by rank, each once
    notes: tuple[str, ...] = ()
    causes: tuple[tuple[str, float], ...] = ()  # that count, and how sure Penlight says it is
    problem: str = ""  # no JSON, the script crashed, or a part of Penlight did
    seconds: float = 0.0

    @property
    def detected(self) -> bool:
        return bool(self.pitfalls)

    def named_within(self, places: int) -> bool:
        return any(p in self.task.labels for p in self.pitfalls[:places])

    @property
    def verdict(self) -> str:
        if not self.detected:
            return "missed"
        if self.named_within(1):
            return "first"
        return "top three" if self.named_within(3) else "wrong"


@dataclass
class Tally:
    runs: int = 0
    detected: int = 0
    first: int = 0
    top3: int = 0
    wrong: int = 0
    cases: set[str] = field(default_factory=set)

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.detected += outcome.detected
        self.first += outcome.named_within(1)
        self.top3 += outcome.named_within(3)
        self.wrong += outcome.verdict == "wrong"
        self.cases.add(outcome.task.case)

    def shares(self) -> list[float]:
        return [n / self.runs for n in (self.detected, self.first, self.top3, self.wrong)]


def read_findings(task: Task, report: dict[str, Any], problem: str = "") -> Outcome:
    """The outcome that one JSON of `penlight run` stands for (DESIGN.md section 8)."""
    found: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for finding in sorted(report["findings"], key=lambda f: f["rank"]):
        found[finding["severity"] in COUNTS].setdefault(finding["pitfall"])
    if report["script_exit"] not in (0, None):
        problem = problem or f"script exit {report['script_exit']}"
    if report["faults"]:
        problem = problem or f"Penlight failed: {report['faults'][0]}"
    notes = tuple(p for p in found[False] if p not in found[True])
    causes = tuple(
        (x["pitfall"], x["confidence"])
        for x in report["findings"]
        if x["severity"] in COUNTS and x["role"] == "cause"
    )
    return Outcome(task, tuple(found[True]), notes, causes, problem, report["seconds"])


def examine(task: Task, out: Path, resume: bool = False) -> Outcome:
    path = out / f"{task.name}.json"
    if resume and path.exists():
        return read_findings(task, json.loads(path.read_text()))
    path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "penlight", "run", "--json", str(path)]
    command += [str(task.script), str(task.seed)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        with tempfile.TemporaryDirectory() as room:
            done = subprocess.run(
                command, cwd=room, env=env, capture_output=True, text=True,
                timeout=TIMEOUT, check=False,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome(task, problem=f"took over {TIMEOUT:.0f} s")
    if not path.exists():
        words = done.stderr.strip().splitlines() or ["nothing said"]
        return Outcome(task, problem=f"no JSON, exit {done.returncode}: {words[-1][:120]}")
    return read_findings(task, json.loads(path.read_text()))


def healthy_scripts(split: str) -> list[Path]:
    """Those that share the split; a script without one goes with every split that has none."""
    controls = tomllib.loads((HEALTHY / "controls.toml").read_text())
    own = {control["split"] for control in controls.values() if "split" in control}
    wanted = split if split in own else None
    return [
        p
        for p in sorted(HEALTHY.glob("*.py"))
        if p.stem not in NOT_A_TRAINING
        and (split == "all" or controls.get(p.stem, {}).get("split") == wanted)
    ]


def list_tasks(split: str, seeds: Sequence[int], only: set[str], healthy: bool) -> list[Task]:
    tasks = []
    for path in sorted(HERE.glob("cases/*/case.json")):
        case = json.loads(path.read_text())
        if not case.get("admitted") or (split != "all" and case["split"] != split):
            continue
        control = case["role"] == "control"
        for script in (path.with_name("buggy.py"), path.with_name("fixed.py")):
            kind = "control" if control else script.stem
            labels = tuple(case["labels"]) if kind == "buggy" else ()
            if script.exists():
                seen = bool(case.get("seen", case["split"] == "dev"))
                tasks += [
                    Task(case["id"], kind, script, s, case["split"], labels, seen) for s in seeds
                ]
    if healthy:
        scripts = healthy_scripts(split)
        tasks += [Task(p.stem, "healthy", p, s, "all") for p in scripts for s in seeds]
    return [t for t in tasks if not only or t.case in only]


def percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def table(head: str, rows: Iterable[Iterable[object]]) -> list[str]:
    columns = head.split(" | ")
    lines = [f"| {head} |", "|" + " --- |" * len(columns)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "-"


def summarise(outcomes: Sequence[Outcome], command: str, when: dt.datetime) -> str:
    buggy = [o for o in outcomes if o.task.kind == "buggy"]
    sound = [o for o in outcomes if o.task.kind != "buggy"]
    lines = ["# What Penlight says about the published programs", ""]
    lines += [f"{when:%Y-%m-%d %H:%M} UTC, by `{command}`", ""]
    if buggy:
        lines += faulty_tables(buggy)
    if sound:
        lines += false_alarm_tables(sound)
    if buggy and sound:
        lines += calibration_table(outcomes)
    return "\n".join(lines).rstrip() + "\n"


def faulty_tables(buggy: Sequence[Outcome]) -> list[str]:
    everything, unseen = Tally(), Tally()
    kinds: dict[str, Tally] = defaultdict(Tally)
    for outcome in buggy:
        everything.add(outcome)
        if not outcome.task.seen:
            unseen.add(outcome)
        kinds[outcome.task.labels[0]].add(outcome)
    head = "runs | detected | root cause first | in the top three | wrong"
    per_kind = [t.shares() for t in kinds.values()]
    mean = [sum(column) / len(per_kind) for column in zip(*per_kind, strict=True)]
    lines = ["## Faulty programs", ""]
    lines += table(
        f"average | {head}",
        [
            ["over programs", everything.runs, *map(percent, everything.shares())],
            *(
                [["over programs never looked at", unseen.runs, *map(percent, unseen.shares())]]
                if 0 < unseen.runs < everything.runs
                else []
            ),
            [f"over {len(kinds)} fault kinds", everything.runs, *map(percent, mean)],
        ],
    )
    lines += table(
        f"primary label | cases | {head}",
        [
            [kind, len(t.cases), t.runs, t.detected, t.first, t.top3, t.wrong]
            for kind, t in sorted(kinds.items())
        ],
    )
    lines += table(
        "case | seed | split | verdict | accepted causes | found, by rank | notes",
        [
            [o.task.case + ("" if o.task.seen else " *"), o.task.seed, o.task.split,
             o.problem or o.verdict,
             listed(o.task.labels), listed(o.pitfalls), listed(o.notes)]
            for o in buggy
        ],
    )  # fmt: skip
    if unseen.runs:
        lines += ["\\* nobody had looked at what Penlight says of it before this table.", ""]
    return lines


def false_alarm_tables(sound: Sequence[Outcome]) -> list[str]:
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in sound:
        groups[outcome.task.kind].append(outcome)
    groups["all"] = list(sound)
    blamed: dict[str, int] = defaultdict(int)
    for outcome in sound:
        for pitfall in outcome.pitfalls:
            blamed[pitfall] += 1
    lines = ["## False alarms", ""]
    lines += table(
        "kind | runs | false alarms | share",
        [
            [kind, len(runs), n, percent(n / len(runs))]
            for kind, runs in groups.items()
            for n in [sum(o.detected for o in runs)]
        ],
    )
    if blamed:
        ranked = sorted(blamed.items(), key=lambda item: (-item[1], item[0]))
        lines += table("pitfall | false alarms", ranked)
    lines += table(
        "script | kind | seed | split | verdict | found, by rank | notes",
        [
            [o.task.case, o.task.kind, o.task.seed, o.task.split,
             o.problem or ("FALSE ALARM" if o.detected else "silent"),
             listed(o.pitfalls), listed(o.notes)]
            for o in sound
        ],
    )  # fmt: skip
    return lines


def calibration_table(outcomes: Sequence[Outcome]) -> list[str]:
    """How sure Penlight says it is, beside how often it is right."""
    said: dict[tuple[float, float], list[tuple[float, bool]]] = {b: [] for b in CONFIDENCES}
    for outcome in outcomes:
        for pitfall, confidence in outcome.causes:
            band = next(b for b in CONFIDENCES if b[0] <= confidence < b[1])
            said[band].append((confidence, pitfall in outcome.task.labels))
    rows = []
    for (low, high), found in said.items():
        if found:
            sure = sum(c for c, _ in found) / len(found)
            right = sum(r for _, r in found)
            interval = binomtest(right, len(found)).proportion_ci(method="wilson")
            rows.append(
                [
                    f"{percent(low)} to {percent(min(high, 1))}",
                    len(found),
                    percent(sure),
                    percent(right / len(found)),
                    f"{percent(interval.low)} to {percent(interval.high)}",
                ]
            )
    lines = ["## How sure, and how right", ""]
    lines += [
        "Every root cause that was told, of faulty programs and of sound ones. Right is one of the",
        "accepted causes; of a sound program nothing is. 95% intervals by Wilson.",
        "",
    ]
    return lines + table("said to be sure | findings | sure, mean | right | interval", rows)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=SPLITS, default="dev")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at the same time")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="cases or scripts")
    parser.add_argument("--healthy", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the JSON of each run there")
    parser.add_argument(
        "--resume", action="store_true", help="run only what --out DIR does not hold already"
    )
    return parser.parse_args(argv)


def main() -> None:
    args = parse()
    tasks = list_tasks(args.split, args.seeds, set(args.only), args.healthy)
    with tempfile.TemporaryDirectory() as room, ThreadPoolExecutor(args.jobs) as pool:
        out = (args.out or Path(room)).resolve()
        out.mkdir(parents=True, exist_ok=True)
        outcomes = []
        for outcome in pool.map(lambda task: examine(task, out, args.resume), tasks):
            outcomes.append(outcome)
            said = outcome.problem or listed(outcome.pitfalls)
            count = f"[{len(outcomes)}/{len(tasks)}]"
            print(f"{count} {outcome.task.name:32} {said}", file=sys.stderr, flush=True)
    command = " ".join(["python", "benchmarks/published/score.py", *sys.argv[1:]])
    text = summarise(outcomes, command, dt.datetime.now(dt.timezone.utc))
    print(text)
    results = HERE / f"RESULTS-{args.split}.md"
    if not args.only and not (args.split.startswith("blind") and results.exists()):
        results.write_text(text)


if __name__ == "__main__":
    main()
