"""Lines on a console: wrapped, indented, cleaned; plain where the console is plain."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from penlight.report import words as w

WIDEST = 100  # longer lines are hard to read
NARROW = 60  # below this, a label stands in front of its text instead of in a column
LABEL = 10


def plain(draw: Callable[[Console], None], width: int = 80) -> str:
    """What `draw` prints, as text without colour; in a notebook, too, where rich would show it."""
    text = io.StringIO()
    draw(Console(file=text, width=width, color_system=None, force_jupyter=False))
    return text.getvalue()


class Sheet:
    """Writes wrapped lines of cleaned text, without trailing spaces."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.ascii = console.options.ascii_only
        self.colour = console.color_system is not None and not console.no_color
        self.width = max(20, min(console.width, WIDEST))
        self.narrow = self.width < NARROW

    def safe(self, text: str) -> str:
        """The text as this console can show it."""
        text = w.clean(text)
        return w.ascii_only(text) if self.ascii else text

    def blank(self) -> None:
        self.console.print()

    def write(
        self,
        *parts: str | tuple[str, str],
        indent: int = 0,
        hang: int | None = None,
        first: str = "",
    ) -> None:
        """One paragraph.

        Args:
            parts: strings, or (string, style) pairs.
            indent: columns before its first line.
            hang: columns before its other lines; as `indent` unless given.
            first: replaces the first line's indent.
        """
        text = Text()
        for item in parts:
            string, style = item if isinstance(item, tuple) else (item, "")
            text.append(self.safe(string), style)
        hang = indent if hang is None else hang
        start = Text(self.safe(first) or " " * indent, "dim")
        # All lines get the room that the deepest one has.
        lead = max(hang, start.cell_len)
        lines = text.wrap(self.console, max(8, self.width - lead), overflow="fold")
        for i, line in enumerate(lines):
            line.rstrip()
            self._put(Text.assemble(start if i == 0 else " " * lead, line))

    def row(self, line: Text, indent: int) -> None:
        """One line of a picture, as it is."""
        self._put(Text.assemble(" " * indent, line))

    def labelled(self, label: str, *parts: str | tuple[str, str]) -> None:
        """`Label     text`, or `Label: text` where columns are scarce."""
        if self.narrow:
            text = [(f"{label}: " if label else "", "dim"), *parts]
            self.write(*text, indent=2, hang=2)
        else:
            self.write(*parts, hang=2 + LABEL, first=f"  {label:<{LABEL}}")

    def entries(self, rows: Sequence[tuple[str, str]], room: int = 0) -> None:
        """A list of names, each with what it means beside or below it.

        Args:
            rows: (name, meaning).
            room: columns for the names; as many as the longest needs unless given.
        """
        room = room or max((len(name) for name, _ in rows), default=0)
        for name, meaning in rows:
            if self.width < 2 * room + 4:
                self.write((name, "bold"), indent=2)
                self.write(meaning, indent=4)
            else:
                self.write(meaning, first=f"  {self.safe(name):<{room}}  ")

    def _put(self, line: Text) -> None:
        self.console.print(line, no_wrap=True, overflow="ignore", crop=False)
