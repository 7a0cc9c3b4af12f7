"""Findings told while the training still runs.

Another process reads the run's folder from time to time and diagnoses it, so the training waits for
nothing. Only what is certain is told early: a statistic may look bad at step 100 and be fine later.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from penlight.core.calibration import CEILING

FIRST = 15.0  # seconds into the run; a short script ends before, and its report comes anyway
FACTOR = 4.0  # then after a minute, four minutes, a quarter of an hour ...
CERTAIN = CEILING  # of what was seen to happen, or was proven


class Alerts:
    """Looks at a growing run in the background.

    Args:
        folder: the run's folder.
        tell: called once for each certain, critical finding, with a sentence.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._command = [sys.executable, "-m", "penlight", "diagnose", str(folder), "--json"]
        self._tell = tell
        self._told: set[str] = set()
        self._next = FIRST
        self._reader: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None

    def poll(self, seconds: float) -> None:
        """Start a look when it is time for one, take in one that is ready; never waits.

        Args:
            seconds: since the run began.
        """
        if self._reader is not None and self._reader[0].poll() is not None:
            self._read()
        elif self._reader is None and seconds >= self._next:
            self._next = seconds * FACTOR
            output = TemporaryFile()  # noqa: SIM115  # lives until the answer is read
            self._reader = (
                subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.DEVNULL,
                ),
                output,
            )

    def stop(self) -> None:
        """End a look that is under way."""
        if self._reader is not None:
            with suppress(OSError):
                self._reader[0].kill()
                self._reader[0].wait()
            self._reader[1].close()
            self._reader = None

    def _read(self) -> None:
        assert self._reader is not None
        output = self._reader[1]
        self._reader = None
        with output, suppress(ValueError, KeyError, TypeError):
            output.seek(0)
            for finding in json.loads(output.read())["findings"]:
                name = finding["pitfall"]
                sure = finding["confidence"] >= CERTAIN and finding["severity"] == "critical"
                if sure and name not in self._told:
                    self._told.add(name)
                    self._tell(f"{name}: {finding['says']}")
