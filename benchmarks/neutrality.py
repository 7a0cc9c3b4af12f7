"""Whether watching changes a training by one bit: every healthy script with and without Penlight.

    ./do bench neutrality                   the table, into benchmarks/RESULTS-neutrality.md
    ./do bench neutrality --only mlp_cls gan     these alone; the other rows stay
    ./do bench neutrality --compiled             every model by torch.compile, backend eager

Each script runs twice with the same seed, bare and under `penlight run`. Compared are what it
prints and a digest of what it leaves: the weights and buffers of every module, the state of every
optimiser, and the random numbers of torch, numpy and Python. With `--compiled` also
what torch.compile counts: graphs, breaks with their reasons, recompilations.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HEALTHY = Path(__file__).parent / "healthy"
TIMEOUT = 900.0
SEED = "0"
MARK = "DIGEST "


def compile_all() -> None:
    """From now on the outermost module that is called is compiled first."""
    import torch

    call, within = torch.nn.Module.__call__, []

    def compiled(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if within or torch.compiler.is_compiling() or isinstance(module, torch.jit.ScriptModule):
            return call(module, *args, **kwargs)
        if module._compiled_call_impl is None:
            module.compile(backend="eager")
        within.append(module)
        try:
            return call(module, *args, **kwargs)
        finally:
            within.pop()

    torch.nn.Module.__call__ = compiled  # type: ignore[method-assign]


def hold_all() -> tuple[list[Any], list[Any]]:
    """The modules and optimisers made from now on, kept alive: to watch must not decide that."""
    import torch

    held: tuple[list[Any], list[Any]] = ([], [])
    for kind, name, into in (
        (torch.nn.Module, "__init__", held[0]),
        (torch.nn.Module, "__setstate__", held[0]),  # a copy is made without __init__
        (torch.optim.Optimizer, "__init__", held[1]),
        (torch.optim.Optimizer, "__setstate__", held[1]),
    ):
        make = getattr(kind, name)

        def made(this: Any, *args: Any, make: Any = make, into: Any = into, **kwargs: Any) -> None:
            make(this, *args, **kwargs)
            if not any(this is each for each in into[-2:]):
                into.append(this)

        setattr(kind, name, made)
    return held


def inside(script: Path, compiled: bool) -> None:
    """Run a script as `__main__`, then print the digest of what it left."""
    import random
    import runpy

    import numpy as np
    import torch

    random.seed(0)  # a script that does not seed them starts from chance
    np.random.seed(0)  # noqa: NPY002  # the generator that scripts share
    sys.argv = [str(script), SEED]
    sys.path.insert(0, str(script.parent))
    modules, optimizers = hold_all()
    if compiled:
        compile_all()
    runpy.run_path(str(script), run_name="__main__")

    digest = hashlib.sha256(repr(random.getstate()).encode())
    digest.update(repr(np.random.get_state()).encode())  # noqa: NPY002  # the state to be compared
    digest.update(torch.get_rng_state().numpy().tobytes())
    states = [m.state_dict() for m in modules]
    states += [s for o in optimizers for s in o.state.values()]
    numbers = 0
    for state in states:
        for name, tensor in state.items():
            if isinstance(tensor, torch.Tensor):
                bits = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
                digest.update(f"{name} {tensor.dtype}".encode() + bits.numpy().tobytes())
                numbers += tensor.numel()
    said = f"{len(modules)} modules, {len(optimizers)} optimisers, {numbers:,} numbers"
    if compiled:
        from torch._dynamo import utils

        counts = {k: sum(utils.counters[k].values()) for k in ("graph_break", "recompile_limit")}
        graphs = utils.counters["stats"]["unique_graphs"]
        digest.update(repr({k: dict(v) for k, v in utils.counters.items()}).encode())
        said = f"{graphs} graphs, {counts['graph_break']} breaks; {said}"
    print(f"{MARK}{digest.hexdigest()} over {said}")


def one(script: Path, watched: bool, compiled: bool) -> tuple[str, str]:
    """What a script prints, times left out, and the digest of what it leaves, '' if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        run = ["-m", "penlight", "run", "--quiet", "--dir", folder] if watched else []
        mode = ["--compiled"] if compiled else []
        command = [sys.executable, *run, __file__, "--inside", str(script), *mode]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, check=False, timeout=TIMEOUT
        )
    lines = done.stdout.splitlines()
    marked = [line for line in lines if line.startswith(MARK)]
    said = "\n".join(x for x in lines if not x.startswith(MARK))
    return re.sub(r"\b\d+(\.\d+)?[mu]?s\b", "TIME", said), "".join(marked)


def written(out: Path) -> dict[str, str]:
    """The rows of an earlier table by script: measuring a few leaves the others."""
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    cells = [line.split("|") for line in lines if line.startswith("| ")]
    return {c[1].strip(): "|".join(c) for c in cells if c[1].strip() not in ("script", "---")}


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--compiled", action="store_true", help="every model by torch.compile")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        inside(args.inside.resolve(), args.compiled)
        return
    name = "RESULTS-neutrality-compiled.md" if args.compiled else "RESULTS-neutrality.md"
    out = args.out or HEALTHY.parent / name
    scripts = {p.stem: p for p in sorted(HEALTHY.glob("*.py")) if p.stem != "measure"}
    today = f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d}"
    for stem, script in scripts.items():
        if args.only and stem not in args.only:
            continue
        bare, seen = one(script, False, args.compiled), one(script, True, args.compiled)
        verdict = "same" if bare == seen and bare[1] else "DIFFERENT" if bare[1] else "fails bare"
        compared = bare[1].removeprefix(MARK)[70:] or "-"
        rows = written(out) | {stem: f"| {stem} | {verdict} | {compared} | {today} |"}
        print(rows[stem], file=sys.stderr)
        lines = [rows[each] for each in scripts if each in rows]
        out.write_text(page(lines, args.compiled), encoding="utf-8")


def page(rows: list[str], compiled: bool) -> str:
    """The table with what it says."""
    same = sum("| same |" in row for row in rows)
    how = "under `torch.compile`, backend eager, " if compiled else ""
    also = ", and as many graphs, breaks and recompilations" if compiled else ""
    option = " --compiled" if compiled else ""
    text = [
        "# Does watching change a training?",
        "",
        f"Seed {SEED}, one thread, by `./do bench neutrality{option}`.",
        "",
        f"{same} of {len(rows)} healthy scripts {how}print the same and leave the same bits with",
        f"and without `penlight run`: weights, buffers, optimiser states, random numbers{also}.",
        "",
        "| script | | compared | date |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    return "\n".join(text)


if __name__ == "__main__":
    main()
