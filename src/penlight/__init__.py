"""Penlight: the doctor's flashlight for training runs."""

from __future__ import annotations

__version__ = "0.1.0"
