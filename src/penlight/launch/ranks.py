"""Which of several processes of one training this is, and which folder they share."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass


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


def shared_name(env: Mapping[str, str] = os.environ) -> str:
    """A folder name on which all ranks of a training agree without talking.

    On one machine the launcher's process id tells two trainings apart whose run id and port are
    the same defaults.
    """
    parts = [env.get("TORCHELASTIC_RUN_ID") or env.get("SLURM_JOB_ID") or "ranks"]
    parts += [env.get("MASTER_PORT", "")]
    parts += [env.get("TORCHELASTIC_RESTART_COUNT", "")]
    if env.get("LOCAL_WORLD_SIZE") == env.get("WORLD_SIZE"):
        parts += [str(os.getppid())]
    return re.sub(r"[^\w.-]+", "_", "-".join(p for p in parts if p))
