"""Runs somebody's script under the probe, as if by `python script.py`; or any command."""

from __future__ import annotations

from penlight.launch.script import Outcome, run_script
from penlight.launch.target import Target

__all__ = ["Outcome", "Target", "run_script"]
