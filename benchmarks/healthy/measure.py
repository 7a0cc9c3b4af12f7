"""Run the healthy controls over several seeds and write the table in README.md (Python 3.11 or later).

python benchmarks/healthy/measure.py                 every script in controls.toml, seeds 0 1 2
python benchmarks/healthy/measure.py gan lstm        only these; the other rows keep their numbers
python benchmarks/healthy/measure.py --table-only    no runs, only write the table again
"""

import argparse
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"
BEGIN, END = "<!-- table: written by measure.py -->\n", "<!-- end of table -->"


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(slug, seed):
    before = cpu_seconds()
    done = subprocess.run(
        [sys.executable, HERE / f"{slug}.py", str(seed)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not last.startswith("RESULT "):
        raise SystemExit(f"{slug} seed {seed} failed:\n{done.stdout[-500:]}\n{done.stderr[-2000:]}")
    result = json.loads(last.removeprefix("RESULT "))
    if "metric" not in result:  # {"accuracy": 0.97, "good": true}
        metric = next(name for name in result if name != "good")
        result = {"metric": metric, "value": float(f"{result[metric]:.5g}"), "good": result["good"]}
    return {"seed": seed, **result, "cpu_s": round(cpu_seconds() - before, 1)}


def brief(r):
    return f"{r['value']:g}{'' if r['good'] else ' MISSED'} ({r['cpu_s']} s)"


def row(slug, control, measured):
    cells = [f"[{slug}.py]({slug}.py)", control["tempts"], control["expected"]]
    if measured:
        runs = measured["runs"]
        values = " / ".join(f"{r['value']:g}" + ("" if r["good"] else " **missed**") for r in runs)
        seconds = " / ".join(f"{r['cpu_s']:g}" for r in runs)
        cells += [f"{runs[0]['metric']} {values}", seconds, measured["date"]]
    else:
        cells += ["not measured", "", ""]
    return "| " + " | ".join(cells) + " |\n"


def table(controls, results):
    text = "| script | tempts a false alarm | expected | measured, by seed | CPU s | date |\n"
    text += "| --- | --- | --- | --- | --- | --- |\n"
    text += "".join(row(slug, c, results.get(slug)) for slug, c in controls.items())
    text += "\nChanged after a look at seeds 0-2 (size, schedule or bar), so those seeds are no independent test:\n\n"
    changed = (f"- `{slug}`: {c['changed']}\n" for slug, c in controls.items() if "changed" in c)
    return text + "".join(changed)


def write_table(controls, results):
    text = README.read_text()
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    README.write_text(head + BEGIN + "\n" + table(controls, results) + "\n" + END + tail)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scripts", nargs="*", help="names without .py; all if none is given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table-only", action="store_true")
    args = parser.parse_args()

    controls = tomllib.loads((HERE / "controls.toml").read_text())
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for slug in [] if args.table_only else args.scripts or controls:
        runs = [run(slug, seed) for seed in args.seeds]
        results[slug] = {
            "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
            "runs": runs,
        }
        print(slug, *map(brief, runs), flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    write_table(controls, results)


if __name__ == "__main__":
    main()
