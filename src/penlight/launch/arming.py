"""Waits for the script to import torch.

Watching starts right after that import and not before: what a script puts into the environment
first (OMP_NUM_THREADS, CUDA_VISIBLE_DEVICES) must still count, and a script without torch must
not pay for it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class TorchWatch(MetaPathFinder):
    """Calls back once, as soon as `import torch` has succeeded; at once when it already has.

    Args:
        callback: must not raise.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def start(self) -> None:
        """Begin to wait."""
        if "torch" in sys.modules:
            self._callback()
        else:
            sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  # the import system passes them by name
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Answer for torch only, with the spec that the other finders give."""
        if fullname != "torch":
            return None
        self.stop()
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            self.start()
            return None
        spec.loader = _Announcing(spec.loader, self)
        return spec

    def arrived(self, succeeded: bool) -> None:
        """The import has ended; a failed one may be tried again."""
        if succeeded:
            self._callback()
        else:
            sys.meta_path.insert(0, self)


class _Announcing(Loader):
    """Torch's own loader, with word given at the end; leaves no trace on the module."""

    def __init__(self, inner: Loader, watch: TorchWatch) -> None:
        self._inner = inner
        self._watch = watch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        succeeded = False
        try:
            self._inner.exec_module(module)
            succeeded = True
        finally:
            self._watch.arrived(succeeded)
