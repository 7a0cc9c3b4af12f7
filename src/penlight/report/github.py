"""A diagnosis as GitHub's workflow commands: lines in a log that become notes beside the code."""

from __future__ import annotations

from pathlib import Path

from penlight.core.finding import Diagnosis
from penlight.core.run import Run
from penlight.report.places import Place, place
from penlight.report.sarif import message

COMMANDS = {"critical": "error", "warning": "warning", "note": "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def commands(diagnosis: Diagnosis, run: Run, here: Path) -> list[str]:
    """A line for each cause, the worst first; symptoms are left out, as GitHub shows ten a step.

    `here` is the folder that the script was started from.
    """
    return [
        f"::{COMMANDS[x.severity]} {_properties(x.pitfall, place(x, run, here))}::"
        f"{message(x).translate(_DATA)}"
        for x in diagnosis.causes
    ]


def _properties(pitfall: str, where: Place | None) -> str:
    given = {"file": where.file if where else "", "line": str(where.line or "") if where else ""}
    given["title"] = f"Penlight: {pitfall}"
    return ",".join(f"{k}={v.translate(_PROPERTY)}" for k, v in given.items() if v)
