"""How a file writes an imported module."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from penlight.edits.source import Change, Source, dotted, last_name


def imported(source: Source, module: str) -> tuple[str, Sequence[Change]]:
    """How a file writes an imported module, and the change that imports it where it is missing.

    "torch.nn" is `nn` after `import torch.nn as nn` or `from torch import nn`, and `torch.nn`
    after `import torch`.
    """
    head, _, tail = module.rpartition(".")
    top, _, rest = module.partition(".")
    aliases = [alias for node in source.all(cst.Import) for alias in node.names]
    for alias in aliases:
        if dotted(alias.name) == module:
            return alias.evaluated_alias or module, ()
    for item in source.all(cst.ImportFrom):
        if item.module is None or isinstance(item.names, cst.ImportStar):
            continue
        for alias in item.names:
            if dotted(item.module) == head and last_name(alias.name) == tail:
                return alias.evaluated_alias or tail, ()
    for alias in aliases:
        name, short = dotted(alias.name), alias.evaluated_alias
        if short is None and name.partition(".")[0] == top:
            return module, ()
        if short is not None and name == top:
            return f"{short}.{rest}", ()
    return module, (_import_line(source, f"import {top}"),)


def _import_line(source: Source, line: str) -> Change:
    """The change that adds an import after the last import at the top of a file."""
    tops = [
        node
        for node in source.module.body
        if isinstance(node, cst.SimpleStatementLine)
        and isinstance(node.body[0], (cst.Import, cst.ImportFrom))
    ]
    futures = [n for n in tops if source.code(n).startswith("from __future__")]
    if tops:
        last = (futures or tops)[-1] if len(futures) == len(tops) else tops[-1]
        return source.after(last.body[0], line)
    body = [n for n in source.module.body if not _is_docstring(n)]
    return source.before(body[0], line) if body else source.insert(len(source.text), f"{line}\n")


def _is_docstring(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.SimpleStatementLine)
        and isinstance(node.body[0], cst.Expr)
        and isinstance(node.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
    )
