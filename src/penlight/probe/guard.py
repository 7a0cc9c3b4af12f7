"""Nothing that goes wrong in Penlight may reach the training.

Every callback that torch makes into us goes through a `Guard`: it keeps the time spent, turns
gradients off, and on an exception switches its own part off and tells so once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import thread_time
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Ledger:
    """Shared by all guards of one probe: time spent, who may call, where faults go.

    Time is this thread's CPU time: on a machine that others use, too, waiting for a core is not
    our cost, and counting it would blind the probe early.

    Args:
        on_fault: called once per broken part with (part, error).
    """

    def __init__(self, on_fault: Callable[[str, Exception], None]) -> None:
        self.cost = 0.0
        self.pid = os.getpid()
        self.thread: int | None = None
        self.on_fault = on_fault
        self.broken: set[str] = set()
        self.inside = False

    def guard(self, part: str, function: Callable[P, T]) -> Callable[P, T | None]:
        """Wrap a callback: same arguments, its result, or None after a fault.

        A callback that arrives while another is running (our own tensor work sets off torch's
        hooks too), in a forked child, or on another thread than the training's, is ignored.
        """
        ledger = self

        def call(*args: P.args, **kwargs: P.kwargs) -> T | None:
            if ledger.inside or part in ledger.broken or not ledger.ours():
                return None
            ledger.inside = True
            start = thread_time()
            try:
                return function(*args, **kwargs)
            except Exception as error:  # the law: our faults end here
                ledger.broken.add(part)
                ledger.on_fault(part, error)
                return None
            finally:
                ledger.cost += thread_time() - start
                ledger.inside = False

        return call

    def claim(self) -> None:
        """This thread trains: from now on only its calls count."""
        if self.thread is None:
            self.thread = threading.get_ident()

    def ours(self) -> bool:
        """Whether this is the process and thread that is being watched."""
        if self.thread is not None and self.thread != threading.get_ident():
            return False
        return os.getpid() == self.pid


class Patches:
    """Attributes replaced for the time of watching, put back in reverse order."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, new: Any) -> None:
        """Set `owner.name` to `new` until `undo`."""
        old = vars(owner).get(name, None) if isinstance(owner, type) else getattr(owner, name)
        setattr(owner, name, new)
        self._done.append((owner, name, old, new))

    def undo(self) -> None:
        """Put back what was replaced, unless somebody else has replaced it since."""
        while self._done:
            owner, name, old, new = self._done.pop()
            if vars(owner).get(name) is new:
                if old is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, old)
