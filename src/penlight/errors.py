"""The one kind of error that a user sees as a sentence instead of a traceback."""

from __future__ import annotations


class PenlightError(Exception):
    """Something the user can put right: what happened, where, what to do next.

    Args:
        message: the whole sentence or sentences.
        exit_code: what the command line should exit with.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
