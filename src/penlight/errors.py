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


class MissingPackageError(PenlightError, ImportError):
    """An optional package is not installed.

    Args:
        what: its name, as people say it.
        extra: the extra of Penlight's that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed: pip install 'penlight[{extra}]'")
