"""Keeps an arm of a trial from writing anywhere but into its own folder.

Two walls. Python announces what it is about to open, remove or rename, and a hook refuses what
lies outside. Libraries that write natively are held by the kernel (Landlock, Linux 5.13 and
later); `torch.save` is covered on every system.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penlight.trial.mirror import LISTED

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events that change a name, with the places of the paths and of their folders' handles.
NAMES = {
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
}
CONTENTS = {"os.truncate", "os.chmod", "os.chown", "os.utime"}
FREE = ("/dev/", "/proc/")


class Fence:
    """What an arm may write.

    Args:
        scratch: the arm's own folder.
        shared: a folder that all arms share, for caches.
        real: the user's folders, closed even where they lie in an open one.
        temp: the system's folder for temporary files, open.
    """

    def __init__(
        self, scratch: Path, real: Sequence[Path], temp: Path, shared: Path | None = None
    ) -> None:
        self.scratch = os.path.realpath(scratch)
        self.real = [os.path.realpath(p) for p in real]
        self.temp = os.path.realpath(temp)
        self.own = [self.scratch, *([os.path.realpath(shared)] if shared is not None else [])]
        self.refused: list[str] = []
        self._busy = threading.local()

    def close(self) -> None:
        """Put both walls up, for good: this process and its children."""
        sys.addaudithook(self._hook)
        self._cover_torch()
        opened = [*self.own, "/dev", "/proc"]
        if not any(_below(root, self.temp) for root in self.real):
            opened.append(self.temp)
        landlock([p for p in opened if Path(p).is_dir()])

    def check(
        self, path: Any, folder: int = -1, *, follow: bool = True, keep: bool = False
    ) -> None:
        """Let a write pass, or refuse it.

        A link to one of the user's files becomes a copy of it.

        Args:
            path: what is to be written; handles are passed.
            folder: the handle of the folder that a relative path starts from.
            follow: whether the write goes through a link.
            keep: whether the old contents are needed.

        Raises:
            PermissionError: it lies outside.
        """
        if isinstance(path, int) or path is None or getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            self._check(os.fsdecode(path), folder, follow, keep)
        finally:
            self._busy.now = False

    def _check(self, path: str, folder: int, follow: bool, keep: bool) -> None:
        if not path or path.startswith(FREE):
            return
        start = _folder_of(folder) if folder >= 0 else os.getcwd()  # noqa: PTH109
        full = os.path.abspath(os.path.join(start, path))  # noqa: PTH100, PTH118
        if _below(full, self.scratch):
            self._own(full, follow, keep)
        if follow:
            target = os.path.realpath(full)
        else:
            parent, name = os.path.split(full)
            target = os.path.join(os.path.realpath(parent), name)  # noqa: PTH118
        if any(_below(target, folder) for folder in self.own):
            return
        if _below(target, self.temp) and not any(_below(target, root) for root in self.real):
            return
        self.refused.append(path)
        raise PermissionError(
            f"Penlight tries edits on a copy and writes nothing else, so {path} stays as it is: "
            "let the script write to a path relative to itself or to its working directory"
        )

    def _own(self, full: str, follow: bool, keep: bool) -> None:
        """Turn links on the way to a file into folders and files of the arm's own."""
        at = Path(self.scratch)
        parts = Path(full).relative_to(self.scratch).parts
        for part in parts[:-1]:
            at /= part
            if at.is_symlink() and at.is_dir() and not _below(os.path.realpath(at), self.scratch):
                _unfold(at)
        at = Path(full)
        if follow and at.is_symlink() and not _below(os.path.realpath(at), self.scratch):
            target = Path(os.path.realpath(at))
            at.unlink()
            if keep and target.is_file():
                shutil.copy2(target, at)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if isinstance(flags, int) and flags & WRITING:
                self.check(path, keep=not (flags & os.O_TRUNC or "w" in (mode or "")))
        elif event in NAMES:
            for path, folder in NAMES[event]:
                self.check(args[path], args[folder] if folder < len(args) else -1, follow=False)
        elif event in CONTENTS:
            self.check(args[0], keep=True)
        elif event == "sqlite3.connect" and args[0] != ":memory:":
            self.check(str(args[0]).removeprefix("file:").partition("?")[0], keep=True)

    def _cover_torch(self) -> None:
        """`torch.save` opens its file in C++, which Python does not announce."""
        serialization = sys.modules.get("torch.serialization")
        writer = getattr(serialization, "_open_zipfile_writer_file", None)
        if writer is None:
            return
        original = writer.__init__

        def checked(this: Any, name: Any) -> None:
            self.check(name)
            original(this, name)

        writer.__init__ = checked


def _folder_of(handle: int) -> str:
    """The path of an open folder."""
    if sys.platform == "darwin":
        import fcntl

        path: bytes = fcntl.fcntl(handle, fcntl.F_GETPATH, b"\0" * 1024)
        return os.fsdecode(path.rstrip(b"\0"))
    return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _unfold(link: Path) -> None:
    """Replace a link to a folder by a folder of links, if it is not too large."""
    target = Path(os.path.realpath(link))
    entries = list(target.iterdir())
    if len(entries) > LISTED:
        return
    link.unlink()
    link.mkdir()
    for entry in entries:
        (link / entry.name).symlink_to(entry)


# The kernel's numbers: linux/landlock.h. Rights beyond reading, by the version that brought them.
_WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_NO_NEW_PRIVILEGES = 38


def landlock(opened: Sequence[str]) -> bool:
    """Forbid this process and its children to write outside of some folders, for good.

    Returns whether the kernel can do it.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 2:
        return False
    rights = _WRITES | _REFER | (_TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("Q", rights)
    rules = libc.syscall(_CREATE, attributes, ctypes.c_size_t(8), ctypes.c_uint32(0))
    if rules < 0:
        return False
    for folder in opened:
        handle = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        libc.syscall(_ADD, rules, 1, struct.pack("=Qi", rights, handle), ctypes.c_uint32(0))
        os.close(handle)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    done: int = libc.syscall(_RESTRICT, rules, ctypes.c_uint32(0))
    os.close(rules)
    return done == 0
