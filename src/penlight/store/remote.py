"""Runs in an object store or on another machine, read by fsspec: `s3://bucket/runs`, `file:///...`.

What is asked for is copied to a temporary folder, and the rest of Penlight reads that: of a list
of runs the two ends of each segment and the stored diagnoses, of one run its files.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from penlight.errors import PenlightError
from penlight.store import schema

HEAD = 32 << 10  # bytes at the start of a segment that a list of runs needs: header and name
TAIL = 128 << 10  # ... and at its end: two blocks of the writer
WHOLE = 1 << 20  # a file beside the segments that is larger is none of ours
TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")  # as stores call it


def is_url(place: object) -> bool:
    """Whether a place is a URL rather than a path; a drive's letter is no scheme."""
    return isinstance(place, str) and len(urlsplit(place).scheme) > 1 and "://" in place


def mirror(url: str) -> Path:
    """A folder with as much of each run below a URL as a list of runs shows.

    A segment there has its true length, and a hole between its two ends.

    Raises:
        PenlightError: fsspec or the store's own package is missing, or the store does not answer.
    """
    store = _Store(url)
    folder = _temporary()
    segments = {p: i for p, i in store.files.items() if p.suffix == schema.SUFFIX}
    runs = {p.parent for p in segments if p.name == schema.segment_name(0)}
    wanted, pieces = [], []
    for path, info in segments.items():
        size = int(info.get("size") or 0)
        if path.parent not in runs:
            continue
        target = _made(folder, path)
        with target.open("wb") as file:
            file.truncate(size)
        if path.name == schema.segment_name(0):
            ends = [(0, size)] if size <= 2 * TAIL else [(0, HEAD), (size - TAIL, size)]
            pieces += [(path, begin, end) for begin, end in ends if end]
        wanted.append((target, info))
    for (path, begin, _), data in zip(pieces, store.read(pieces), strict=True):
        with (folder / path).open("r+b") as file:
            file.seek(begin)
            file.write(data)
    for target, info in wanted:
        if (when := _modified(info)) is not None:
            os.utime(target, (when, when))
    _copy(store, folder, (p for p in store.files if p.name == "diagnosis.json"))
    return folder


def fetch(url: str) -> Path:
    """A copy of one run, given by the URL of its folder or of one of its segments.

    Raises:
        PenlightError: as for `mirror`, or there is no run.
    """
    segment = url.endswith(schema.SUFFIX)
    store = _Store(url.rsplit("/", 1)[0] if segment else url)
    name = PurePosixPath(url.rsplit("/", 1)[1] if segment else schema.segment_name(0))
    if name not in store.files:
        raise PenlightError(
            f"There is no run at {url}: name a folder that holds {schema.segment_name(0)}, or list "
            "the runs with penlight runs --dir URL."
        )
    folder = _temporary() / (url.rstrip("/").rsplit("/", 2)[-2 if segment else -1] or "run")
    folder.mkdir()
    _copy(store, folder, store.files, largest=None)
    return folder / name if segment else folder


class _Store:
    """What lies at a URL, at most one folder deep; paths are relative to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            import fsspec
        except ImportError:
            raise PenlightError(
                f"Reading {url} needs fsspec: pip install 'penlight[remote]'."
            ) from None
        try:
            self._system, root = fsspec.core.url_to_fs(url)
            found = self._system.find(root, maxdepth=2, detail=True)
        except ImportError as error:  # s3fs for s3://, gcsfs for gs://
            raise PenlightError(f"{url} cannot be read yet: {error}.") from None
        except Exception as error:  # every store fails in its own way
            raise self._failed(error) from None
        self._root = root.rstrip("/")
        self.files: dict[PurePosixPath, Mapping[str, Any]] = {}
        for path, info in found.items():
            relative = PurePosixPath(path[len(self._root) :].lstrip("/"))
            if _plain(relative):
                self.files[relative] = info

    def read(self, pieces: Iterable[tuple[PurePosixPath, int, int]]) -> list[bytes]:
        """Pieces of files, fetched together where the store can."""
        pieces = list(pieces)
        if not pieces:
            return []
        paths, begins, ends = zip(*((f"{self._root}/{p}", b, e) for p, b, e in pieces), strict=True)
        try:
            return list(self._system.cat_ranges(list(paths), list(begins), list(ends)))
        except Exception as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> PenlightError:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return PenlightError(
            f"{self.url} cannot be read ({said}): check the URL, and that you may read it."
        )


def _copy(
    store: _Store, folder: Path, paths: Iterable[PurePosixPath], largest: int | None = WHOLE
) -> None:
    sizes = {p: int(store.files[p].get("size") or 0) for p in paths}
    pieces = [(p, 0, n) for p, n in sizes.items() if n and (largest is None or n <= largest)]
    for (path, _, _), data in zip(pieces, store.read(pieces), strict=True):
        _made(folder, path).write_bytes(data)


def _plain(path: PurePosixPath) -> bool:
    """Whether a name from elsewhere may become a file here."""
    return (
        bool(path.parts)
        and not path.is_absolute()
        and all(part not in ("", ".", "..") and not set(part) & set("\\:\0") for part in path.parts)
    )


def _made(folder: Path, path: PurePosixPath) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _modified(info: Mapping[str, Any]) -> float | None:
    for name in TIMES:
        value = info.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, (int, float)):
            return float(value)
    return None


def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="penlight-remote-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
