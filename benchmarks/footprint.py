"""What Penlight alone weighs: install size and import time, and what each extra adds.

    ./do bench footprint

Sizes are those of the installed files, over everything that a package needs, torch's own needs and
what Penlight brings anyway left out for the extras. Times are processor seconds of a fresh
interpreter, the median of seven, less those of an empty one. Also says which of the packages of
the extras `import penlight` pulls in: there must be none.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROUNDS = 7
EXTRAS = {  # extra: what its users import
    "lightning": "lightning",
    "transformers": "transformers",
    "keras": "keras",
    "skorch": "skorch",
    "ignite": "ignite",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
}
STATEMENTS = {
    "import penlight": "import penlight",
    "penlight --version": "from penlight.cli import main; main(['--version'])",
    "penlight.watch is ready": "import penlight.library",
    "import torch, for comparison": "import torch",
}
SEEN = (
    "import sys, penlight, penlight.library; print(*sorted({x.split('.')[0] for x in sys.modules}))"
)


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Everything that a distribution needs, itself included, as far as it is installed here."""
    found: set[str] = set()
    waiting = [(canonicalize_name(name), extras)]
    while waiting:
        current, wanted = waiting.pop()
        try:
            needs = metadata.requires(current) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(current)
        for text in needs:
            need = Requirement(text)
            here = [{"extra": x} for x in wanted] or [{"extra": ""}]
            if need.marker is None or any(need.marker.evaluate(x) for x in here):
                following = canonicalize_name(need.name), frozenset(need.extras)
                if following[0] not in found or need.extras:
                    waiting.append(following)
    return found


def size(names: set[str]) -> float:
    """MB of the installed files of some distributions."""
    total = 0
    for name in names:
        for file in metadata.files(name) or ():
            path = file.locate()
            total += path.stat().st_size if path.is_file() else 0
    return total / 1e6


def seconds(statement: str) -> float:
    """Processor seconds of an interpreter that runs it."""
    spent = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", statement], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(spent)


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    own = closure("penlight")
    base = own | closure("torch")
    source = sum(
        x.stat().st_size
        for x in Path(__file__).parents[1].glob("src/penlight/**/*")
        if x.is_file() and "__pycache__" not in x.parts
    )
    print("| what | packages | MB |\n|---|---|---|")
    print(f"| penlight itself | 1 | {source / 1e6:.1f} |")
    print(f"| what it needs | {len(own) - 1} | {size(own - {'penlight'}):.0f} |")
    numpy = size({"numpy"})
    print(f"| ... of which numpy, which a training has anyway | 1 | {numpy:.0f} |")
    for extra in EXTRAS:
        more = closure("penlight", frozenset({extra})) - base
        print(f"| penlight[{extra}] adds | {len(more)} | {size(more):.0f} |" if more else
              f"| penlight[{extra}] adds | not installed here | |")  # fmt: skip
    empty = seconds("pass")
    print("\n| statement | processor seconds |\n|---|---|")
    for name, statement in STATEMENTS.items():
        print(f"| {name} | {seconds(statement) - empty:.2f} |")
    done = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=True)
    pulled = sorted({*EXTRAS.values(), "torch"} & set(done.stdout.split()))
    print(
        f"\n`import penlight` and `penlight.watch` pull in: {', '.join(pulled) or 'none of them'}"
    )


if __name__ == "__main__":
    main()
