"""Penlight: the doctor's flashlight for training runs.

    penlight run train.py      watch an unmodified script, then say what is wrong and why

In Python, `watch` follows a loop or a notebook cell, `check` examines one batch before a training,
`fix` tries cures of a model, an optimiser and a loss in memory and proves one,
`load` and `diagnose` read recorded runs, `explain` tells about a pitfall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "Diagnosis",
    "Finding",
    "PenlightError",
    "Run",
    "check",
    "diagnose",
    "explain",
    "fix",
    "load",
    "watch",
]

if TYPE_CHECKING:
    from penlight.core.finding import Diagnosis, Finding
    from penlight.core.run import Run
    from penlight.errors import PenlightError
    from penlight.library import check, explain, fix, watch
    from penlight.library import diagnosis_of as diagnose
    from penlight.store.reader import load

# Loaded on first use: the probe's half runs where only torch is installed.
_HOMES = {
    "Diagnosis": ("penlight.core.finding", "Diagnosis"),
    "Finding": ("penlight.core.finding", "Finding"),
    "PenlightError": ("penlight.errors", "PenlightError"),
    "Run": ("penlight.core.run", "Run"),
    "check": ("penlight.library", "check"),
    "diagnose": ("penlight.library", "diagnosis_of"),
    "explain": ("penlight.library", "explain"),
    "fix": ("penlight.library", "fix"),
    "load_ipython_extension": ("penlight.integrations.notebook", "load_ipython_extension"),
    "load": ("penlight.store.reader", "load"),
    "watch": ("penlight.library", "watch"),
}


def __getattr__(name: str) -> object:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'penlight' has no attribute {name!r}")
    home, attribute = _HOMES[name]
    return getattr(importlib.import_module(home), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
