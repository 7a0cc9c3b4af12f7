"""Where statements about a variable can be put: behind its making, before its first use."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from penlight.edits.bindings import bindings
from penlight.edits.data import Feed
from penlight.edits.edit import Refused
from penlight.edits.source import Change, Source, last_name

Statement = cst.BaseStatement | cst.BaseSmallStatement


def before_use(source: Source, feeds: Sequence[Feed], code: str) -> Change:
    """The change that puts statements where all these variables are made and none is used yet.

    Raises:
        Refused: there is no such place.
    """
    scopes = {id(feed.scope): feed.scope for feed in feeds}
    if len(scopes) != 1 or any(feed.source is not source for feed in feeds):
        raise Refused("The data are made in one place and used in another.")
    block = _block(next(iter(scopes.values())))
    made = max(_last_binding(source, block, feed) for feed in feeds)
    used = [at for feed in feeds for at in _uses(source, block, feed) if at >= 0]
    early = [at for at in used if at <= made]
    if early:
        name = feeds[0].name
        raise Refused(f"{source.file} uses {name} before all of the data are made.")
    later = [at for at in used if at > made]
    if later:
        return source.before(_inner(block[min(later)]), code)
    return source.after(_inner(block[made]), code)


def _block(scope: cst.CSTNode) -> Sequence[cst.BaseStatement]:
    body = scope.body if isinstance(scope, (cst.Module, cst.FunctionDef)) else ()
    found = body.body if isinstance(body, cst.IndentedBlock) else body
    return [s for s in found if isinstance(s, cst.BaseStatement)]  # type: ignore[union-attr]


def _inner(statement: cst.BaseStatement) -> cst.CSTNode:
    return statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else statement


def _index(source: Source, block: Sequence[cst.BaseStatement], node: cst.CSTNode) -> int:
    """Which statement of a block holds a node; -1 for none."""
    around = {id(node), *(id(p) for p in source.parents(node))}
    return next((at for at, s in enumerate(block) if id(s) in around), -1)


def _last_binding(source: Source, block: Sequence[cst.BaseStatement], feed: Feed) -> int:
    uses = [at for at in _uses(source, block, feed) if at >= 0]
    limit = min(uses, default=len(block))
    found = [_index(source, block, b.node) for b in bindings(source, feed.name, feed.scope)]
    inside = [at for at in found if 0 <= at < limit] or [at for at in found if at >= 0]
    if not inside:
        raise Refused(f"{source.file}: where {feed.name} is made is not clear.")
    return max(inside)


def _uses(source: Source, block: Sequence[cst.BaseStatement], feed: Feed) -> list[int]:
    """Statements that feed the variable on, or that call a function which does."""
    at = _index(source, block, feed.use)
    if at >= 0 and not isinstance(block[at], (cst.FunctionDef, cst.ClassDef)):
        return [at]
    function = source.enclosing(feed.use, cst.FunctionDef)
    if not isinstance(function, cst.FunctionDef):
        return []
    return [
        index
        for index, statement in enumerate(block)
        if not isinstance(statement, (cst.FunctionDef, cst.ClassDef))
        and any(
            last_name(call.func) == function.name.value for call in source.all(cst.Call, statement)
        )
    ]
