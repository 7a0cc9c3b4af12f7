"""Source text as LibCST sees it, and changes to it that leave every other character alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider

from penlight.edits.edit import Refused

SKIPPED = {"site-packages", "node_modules", "__pycache__", "venv"}
NO_NEWLINE = "\\ No newline at end of file"
N = TypeVar("N", bound=cst.CSTNode)


@dataclass(frozen=True, slots=True)
class Change:
    """Replace `text[start:end]` of a file; offsets count characters."""

    file: str  # relative to the project's root, with slashes
    start: int
    end: int
    text: str


class Source:
    """One parsed file. Nodes are looked at, never rebuilt: a change is a change of text.

    Raises:
        Refused: LibCST cannot read it.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        try:
            wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        except cst.ParserSyntaxError as error:
            raise Refused(f"{file} cannot be parsed: {error.message}") from None
        self.module = wrapper.module
        self._positions = wrapper.resolve(PositionProvider)
        self._parents = wrapper.resolve(ParentNodeProvider)
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    # -- positions ------------------------------------------------------------------------

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Character offsets of a node's first character and of the one after its last."""
        at = self._positions[node]
        return (
            self._starts[at.start.line - 1] + at.start.column,
            self._starts[at.end.line - 1] + at.end.column,
        )

    def lines(self, node: cst.CSTNode) -> tuple[int, int]:
        """First and last line of a node, counted from 1."""
        at = self._positions[node]
        return at.start.line, at.end.line

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node as it stands in the file."""
        start, end = self.span(node)
        return self.text[start:end]

    def offset(self, line: int) -> int:
        """Offset of the first character of a line that is not a blank."""
        start = self._starts[min(line, len(self._starts)) - 1]
        rest = self.text[start:]
        return start + len(rest) - len(rest.lstrip(" \t"))

    def line(self, offset: int) -> int:
        """The line of an offset, counted from 1."""
        return self.text.count("\n", 0, offset) + 1

    # -- the tree -------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> tuple[cst.CSTNode, ...]:
        """All nodes in the order of the text, parents first."""
        found: list[cst.CSTNode] = []

        def walk(node: cst.CSTNode) -> None:
            found.append(node)
            for child in node.children:
                walk(child)

        walk(self.module)
        return tuple(found)

    def all(self, kind: type[N], within: cst.CSTNode | None = None) -> Iterator[N]:
        """All nodes of a kind, inside of another node if one is named."""
        for node in self.nodes:
            if isinstance(node, kind) and (within is None or self.inside(node, within)):
                yield node

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self._parents.get(node)

    def parents(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around a node, from the inside out."""
        found = self.parent(node)
        while found is not None:
            yield found
            found = self.parent(found)

    def inside(self, node: cst.CSTNode, outer: cst.CSTNode) -> bool:
        return any(parent is outer for parent in self.parents(node))

    def enclosing(self, node: cst.CSTNode, *kinds: Any) -> cst.CSTNode | None:
        """The innermost node of these kinds around a node."""
        return next((p for p in self.parents(node) if isinstance(p, kinds)), None)

    def statement(self, node: cst.CSTNode) -> cst.BaseSmallStatement | cst.BaseCompoundStatement:
        """The innermost statement that holds a node, or is it."""
        if isinstance(node, (cst.BaseSmallStatement, cst.BaseCompoundStatement)):
            return node
        found = self.enclosing(node, cst.BaseSmallStatement, cst.BaseCompoundStatement)
        if not isinstance(found, (cst.BaseSmallStatement, cst.BaseCompoundStatement)):
            raise Refused(f"{self.file}: a call stands outside of any statement.")
        return found

    def calls(self, *names: str, within: cst.CSTNode | None = None) -> Iterator[cst.Call]:
        """Calls of functions whose last name is one of these: "Adam" finds `optim.Adam()`."""
        for call in self.all(cst.Call, within):
            if last_name(call.func) in names:
                yield call

    # -- changes --------------------------------------------------------------------------

    def replace(self, node: cst.CSTNode, text: str) -> Change:
        """Put a text in a node's place."""
        return Change(self.file, *self.span(node), text)

    def insert(self, offset: int, text: str) -> Change:
        return Change(self.file, offset, offset, text)

    def before(self, node: cst.CSTNode, code: str) -> Change:
        """Put statements before the one that holds a node, at its indentation."""
        statement = self.statement(node)
        start, _ = self.span(statement)
        if self._alone(statement):
            return self.insert(start, self._block(code, start) + self._indent(start))
        return self.insert(start, "; ".join(code.splitlines()) + "; ")

    def after(self, node: cst.CSTNode, code: str) -> Change:
        """Put statements after the one that holds a node, at its indentation."""
        statement = self.statement(node)
        start, end = self.span(statement)
        if self._alone(statement):
            stop = self.text.find("\n", end)
            stop = len(self.text) if stop < 0 else stop
            lines = self._block(code, start).rstrip("\n")
            return self.insert(stop, f"\n{self._indent(start)}{lines}")
        return self.insert(end, "; " + "; ".join(code.splitlines()))

    def drop(self, node: cst.CSTNode) -> Change:
        """Take a whole statement out, with its line if it stands alone there."""
        statement = self.statement(node)
        start, end = self.span(statement)
        if not self._alone(statement):
            return Change(self.file, start, end, "pass")
        if self._only_one(statement):
            return Change(self.file, start, end, "pass")
        first = self.text.rfind("\n", 0, start) + 1
        stop = self.text.find("\n", end)
        return Change(self.file, first, len(self.text) if stop < 0 else stop + 1, "")

    def _alone(self, statement: cst.CSTNode) -> bool:
        """Whether a statement has its line(s) for itself."""
        if isinstance(statement, cst.BaseCompoundStatement):
            return True
        line = self.parent(statement)
        return isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1

    def _only_one(self, statement: cst.CSTNode) -> bool:
        """Whether its block would be empty without it."""
        line = statement
        if isinstance(statement, cst.BaseSmallStatement):
            line = self.parent(statement) or statement
        block = self.parent(line)
        return isinstance(block, cst.IndentedBlock) and len(block.body) == 1

    def _indent(self, offset: int) -> str:
        """The white space in front of an offset on its line."""
        start = self.text.rfind("\n", 0, offset) + 1
        line = self.text[start:offset]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _block(self, code: str, offset: int) -> str:
        """Statements at the indentation of an offset; the first one has its own already."""
        indent = self._indent(offset)
        lines = code.splitlines()
        return "\n".join([lines[0], *(indent + x if x else "" for x in lines[1:])]) + "\n"


def last_name(node: cst.CSTNode) -> str:
    """The last part of a dotted name, '' for anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return ""


def dotted(node: cst.CSTNode) -> str:
    """A dotted name as written, '' for anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr.value}" if head else ""
    return ""


def argument(call: cst.Call, name: str, position: int | None = None) -> cst.Arg | None:
    """A call's argument by keyword, or by position where it was given so."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value == name:
            return arg
    if position is not None and position < len(call.args):
        arg = call.args[position]
        if arg.keyword is None and not any(a.star for a in call.args[: position + 1]):
            return arg
    return None


@dataclass(frozen=True)
class Project:
    """The user's files: those that the edits have looked at, and where the others lie.

    Args:
        root: the folder that a patch applies to, with `patch -p1`.
        script: the entry script, relative to it.
        texts: contents by relative path that differ from the disk's.
    """

    root: Path
    script: str
    texts: Mapping[str, str] = field(default_factory=dict)

    def text(self, file: str) -> str:
        """A file's text, as edited so far.

        Raises:
            Refused: it cannot be read.
        """
        if file in self.texts:
            return self.texts[file]
        return self.original(file)

    def original(self, file: str) -> str:
        try:
            with (self.root / file).open(encoding="utf-8", newline="") as stream:
                return stream.read()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"{file} cannot be read: {error}") from None

    def find(self, basename: str) -> str:
        """The one file of that name in the project.

        Raises:
            Refused: there is none, or more than one.
        """
        if PurePosixPath(self.script).name == basename:
            return self.script
        found = [p for p in self._files if PurePosixPath(p).name == basename]
        if len(found) != 1:
            count = "no" if not found else "more than one"
            raise Refused(f"There is {count} {basename} under {self.root}.")
        return found[0]

    @cached_property
    def _files(self) -> list[str]:
        def allowed(path: Path) -> bool:
            parts = path.relative_to(self.root).parts
            return not any(p in SKIPPED or p.startswith(".") for p in parts)

        return [p.relative_to(self.root).as_posix() for p in self.root.rglob("*.py") if allowed(p)]

    def edited(self, changes: Iterable[Change]) -> Project:
        """The project with changes made.

        Raises:
            Refused: two of them overlap, or the result is not Python any more.
        """
        texts = dict(self.texts)
        by_file: dict[str, list[Change]] = {}
        for change in changes:
            by_file.setdefault(change.file, []).append(change)
        for file, found in by_file.items():
            text = _apply(self.text(file), found)
            if text == self.text(file):
                continue  # what was put in place is what stood there
            texts[file] = text
            try:
                compile(text, file, "exec", dont_inherit=True)
            except SyntaxError as error:
                raise Refused(f"The edit would break {file}: {error.msg}") from None
        return replace(self, texts=texts)

    def diff(self) -> str:
        """A unified diff of all edited files, for `patch -p1` in the root; '' for none."""
        parts = []
        for file, text in sorted(self.texts.items()):
            before = self.original(file).splitlines(keepends=True)
            lines = difflib.unified_diff(
                before, text.splitlines(keepends=True), f"a/{file}", f"b/{file}"
            )
            parts += [x if x.endswith("\n") else f"{x}\n{NO_NEWLINE}\n" for x in lines]
        return "".join(parts)


def _apply(text: str, changes: Sequence[Change]) -> str:
    parts, at = [], 0
    for change in sorted(changes, key=lambda c: (c.start, c.end)):
        if change.start < at:
            raise Refused("Two changes touch the same text.")
        parts += [text[at : change.start], change.text]
        at = change.end
    return "".join([*parts, text[at:]])


def shifted(offset: int, changes: Sequence[Change]) -> int:
    """Where an offset of the text before some changes of its file lies after them."""
    moved = offset
    for change in sorted(changes, key=lambda c: (c.start, c.end)):
        if change.end <= offset:
            moved += len(change.text) - (change.end - change.start)
        elif change.start < offset:
            moved += change.start - offset
    return moved
