"""Penlight in a notebook: `%load_ext penlight`, then `%%penlight` on top of a cell that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from penlight.errors import PenlightError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class CellError(Exception):
    """Ends a cell whose own error has been shown already."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: it stands above."""
        return [str(self)]


@magics_class
class PenlightMagics(Magics):
    """`%%penlight`."""

    @magic_arguments()
    @argument("--model", metavar="NAME", help="Watch this model; every one that trains by default.")
    @argument("--optimizer", metavar="NAME", help="Watch this optimiser; every one by default.")
    @argument("--text", action="store_true", help="Show text instead of the page.")
    @argument("--into", metavar="NAME", help="Also put the result into this variable.")
    @cell_magic
    def penlight(self, line: str, cell: str) -> None:
        """Watch the training in this cell, then show what is wrong with it and why."""
        from penlight.library import watch

        words = parse_argstring(self.penlight, line)
        seen, failed = None, False
        try:
            with watch(self._named(words.model), self._named(words.optimizer)) as seen:
                self.shell.run_cell(cell, store_history=False).raise_error()
        except BaseException as error:
            if seen is None and isinstance(error, PenlightError):
                raise UsageError(f"penlight: {error}") from None
            failed = seen is not None
            if not failed:
                raise
        if words.into:
            self.shell.user_ns[words.into] = seen
        if words.text:
            print(seen)  # noqa: T201  # the output of a cell
        else:
            display(seen)
        if failed:
            raise CellError("Penlight has watched the cell up to the error above.")

    def _named(self, name: str | None) -> Any:
        if name is None:
            return None
        if name not in self.shell.user_ns:
            raise UsageError(f"penlight: there is no variable {name!r}.")
        return self.shell.user_ns[name]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """What `%load_ext penlight` calls."""
    shell.register_magics(PenlightMagics)
