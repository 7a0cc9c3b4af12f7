"""Other texts for some of the user's files, in memory: what is compiled is not what is on disk."""

from __future__ import annotations

import importlib.abc
import linecache
import os
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader


@contextmanager
def replaced(texts: Mapping[str, str]) -> Iterator[None]:
    """Modules that are imported inside get these texts.

    Args:
        texts: by absolute path, links resolved. Tracebacks count the lines of these texts.
    """
    if not texts:
        yield
        return
    finder = _Finder(texts)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def text_of(path: str, texts: Mapping[str, str]) -> str | None:
    """The text that takes a file's place; None when it keeps its own."""
    text = texts.get(os.path.realpath(path)) if texts else None
    if text is not None:
        # An entry without a time of modification is never checked against the disk.
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    return text


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what Python itself finds, where there is another text for it."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        text = text_of(spec.origin, self._texts)
        if text is None:
            return None
        spec.loader = _Loader(name, spec.origin, text)
        spec.cached = None
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> types.CodeType:  # noqa: ARG002  # the loader's protocol
        return compile(self._text, self.path, "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str:  # noqa: ARG002  # the loader's protocol
        return self._text
