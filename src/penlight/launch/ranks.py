"""Which of several processes of one training this is, and which folder they share."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from penlight.store.folder import default_root
from penlight.store.schema import segment_name
from penlight.store.writer import Writer

# What torchrun and job schedulers set alike for all ranks of one training.
COMMON = (
    "TORCHELASTIC_RUN_ID",
    "SLURM_JOB_ID",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RESTART_COUNT",
)


@dataclass(frozen=True, slots=True)
class Place:
    """This process among `world` ones: `rank` counts from 0."""

    rank: int = 0
    world: int = 1

    @property
    def speaks(self) -> bool:
        """Whether this process shows progress and reports."""
        return self.rank == 0


def place(env: Mapping[str, str] = os.environ) -> Place:
    """Read the place from the variables that torchrun and its relatives set."""
    try:
        rank, world = int(env["RANK"]), int(env["WORLD_SIZE"])
    except (KeyError, ValueError):
        return Place()
    return Place(rank, world) if 0 <= rank < world else Place()


def shared_name(label: str, env: Mapping[str, str] = os.environ) -> str:
    """A folder name on which all ranks of a training agree without talking.

    On one machine the launcher's process id tells two trainings apart whose run id and port are
    the same defaults.
    """
    parts = [env.get(name, "") for name in COMMON]
    if env.get("LOCAL_WORLD_SIZE") == env.get("WORLD_SIZE"):
        parts.append(str(os.getppid()))
    digest = hashlib.blake2s("\n".join(parts).encode(), digest_size=4).hexdigest()
    return re.sub(r"[^\w.-]", "_", label) + "-" + digest


def shared_folder(root: Path | None, label: str, env: Mapping[str, str] = os.environ) -> Path:
    """The folder in which every rank of this training keeps its segment."""
    root = root or default_root()
    if not root.exists():
        root.mkdir(parents=True, exist_ok=True)
        (root / ".gitignore").write_text("*\n", encoding="ascii")
    return root / shared_name(label, env)


def open_segment(
    folder: Path, rank: int, on_fault: Callable[[OSError], None] | None = None
) -> Writer:
    """Begin this rank's segment in the first of `folder`, `folder-2`, ... where it has none yet.

    Ranks that have run equally often agree on the folder, also when a training is started anew
    under the same name.
    """
    for number in itertools.count(1):
        chosen = numbered(folder, number)
        chosen.mkdir(parents=True, exist_ok=True)
        path = chosen / segment_name(rank)
        if not path.exists():
            return Writer(path, on_fault)
    raise AssertionError("counting never ends")


def numbered(folder: Path, number: int) -> Path:
    """`folder` for 1, `folder-2` for 2 and so on."""
    return folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
