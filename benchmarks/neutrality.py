"""Whether watching changes a training by one bit: every healthy script with and without Penlight.

    ./do bench neutrality                   the table, into benchmarks/RESULTS-neutrality.md
    ./do bench neutrality --only mlp_cls gan --out /tmp/table.md

Each script runs twice with the same seed, bare and under `penlight run`. Compared are what it
prints and a digest of what it leaves: the weights and buffers of every live module, the state of
every live optimiser, and the random numbers of torch, numpy and Python.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HEALTHY = Path(__file__).parent / "healthy"
TIMEOUT = 900.0
SEED = "0"
MARK = "DIGEST "


def inside(script: Path) -> None:
    """Run a script as `__main__`, then print the digest of what it left."""
    import gc
    import random
    import runpy

    import numpy as np

    random.seed(0)  # a script that does not seed them starts from chance
    np.random.seed(0)  # noqa: NPY002  # the generator that scripts share
    sys.argv = [str(script), SEED]
    sys.path.insert(0, str(script.parent))
    left = runpy.run_path(str(script), run_name="__main__")  # held: its models stay alive

    import torch

    digest = hashlib.sha256(repr(random.getstate()).encode())
    digest.update(repr(np.random.get_state()).encode())  # noqa: NPY002  # the state to be compared
    digest.update(torch.get_rng_state().numpy().tobytes())
    found = []
    for thing in gc.get_objects():
        if issubclass(type(thing), torch.nn.Module):
            tensors = thing.state_dict().values()
        elif issubclass(type(thing), torch.optim.Optimizer):
            tensors = [v for s in thing.state.values() for v in s.values()]
        else:
            continue
        own = hashlib.sha256()
        for tensor in tensors:
            if isinstance(tensor, torch.Tensor):
                own.update(tensor.detach().float().contiguous().numpy().tobytes())
        found.append(type(thing).__name__ + own.hexdigest())
    digest.update("".join(sorted(found)).encode())
    print(f"{MARK}{digest.hexdigest()} over {len(found)} objects, {len(left)} names")


def one(script: Path, watched: bool) -> tuple[str, str]:
    """What a script prints and the digest of what it leaves; the digest is '' when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        run = ["-m", "penlight", "run", "--quiet", "--dir", folder] if watched else []
        command = [sys.executable, *run, __file__, "--inside", str(script)]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, check=False, timeout=TIMEOUT
        )
    lines = done.stdout.splitlines()
    marked = [line for line in lines if line.startswith(MARK)]
    return "\n".join(x for x in lines if not x.startswith(MARK)), "".join(marked)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--out", type=Path, default=HEALTHY.parent / "RESULTS-neutrality.md")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        inside(args.inside.resolve())
        return
    scripts = sorted(p for p in HEALTHY.glob("*.py") if p.stem != "measure")
    rows, same = [], 0
    for script in scripts:
        if args.only and script.stem not in args.only:
            continue
        bare, seen = one(script, watched=False), one(script, watched=True)
        verdict = "same" if bare == seen and bare[1] else "DIFFERENT" if bare[1] else "fails bare"
        same += verdict == "same"
        rows.append(f"| {script.stem} | {verdict} | {bare[1].removeprefix(MARK)[65:] or '-'} |")
        print(rows[-1], file=sys.stderr)
    now = dt.datetime.now(dt.timezone.utc)
    text = [
        "# Does watching change a training?",
        "",
        f"{now:%Y-%m-%d %H:%M} UTC, seed {SEED}, one thread, by `./do bench neutrality`",
        "",
        f"{same} of {len(rows)} healthy scripts print the same and leave the same bits with and",
        "without `penlight run`: weights, buffers, optimiser states, random numbers.",
        "",
        "| script | | compared |",
        "|---|---|---|",
        *rows,
        "",
    ]
    args.out.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
