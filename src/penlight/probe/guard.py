"""Nothing that goes wrong in Penlight may reach the training.

Every callback that torch makes into us goes through a guard: it keeps the time spent, hides our
operations from the user's modes, and on an exception switches its own part off and tells so once.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Any, ParamSpec, TypeVar
from weakref import ref

P = ParamSpec("P")
T = TypeVar("T")

LAP = 100  # calls of one measurement of our own cost
BRIEF = 50e-6  # seconds: an idle callback that took longer was waiting for a core


class Ledger:
    """Shared by all guards of one probe: time spent, who may call, where faults go.

    Time is this thread's CPU time: on a machine that others use, too, waiting for a core is not
    our cost, and counting it would blind the probe early. That clock is a system call, dearer
    than an idle callback itself, so between looks the ordinary clock does.

    Args:
        on_fault: called once per broken part with (part, error).
    """

    def __init__(self, on_fault: Callable[[str, Exception], None]) -> None:
        self.cost = 0.0
        self.thread: int | None = None
        self.on_fault = on_fault
        self.broken: set[str] = set()
        self.inside = False
        self.looking = True  # this step is looked at: its callbacks are long
        self.forked = False
        self.around = 0.0  # seconds of a guarded call that its own clock does not see
        self._notice_forks()

    def guard(
        self, part: str, function: Callable[P, T], *, anywhere: bool = False
    ) -> Callable[P, T | None]:
        """Wrap a callback: same arguments, its result, or None after a fault.

        A callback that arrives while another is running (our own tensor work sets off torch's
        hooks too), in a forked child, on another thread than the training's, or where tensors
        hold no values, is ignored.

        Args:
            anywhere: also when another callback is running or on another thread; for hooks that
                autograd calls from the threads of its devices.
        """
        from penlight.probe.still import unreal, unseen

        ledger = self

        def call(*args: P.args, **kwargs: P.kwargs) -> T | None:
            if ledger.forked or part in ledger.broken or unreal():
                return None
            if not anywhere and (ledger.inside or not ledger.ours()):
                return None
            outer, ledger.inside = ledger.inside, True
            clock = thread_time if ledger.looking else perf_counter
            start = clock()
            try:
                with unseen():
                    return function(*args, **kwargs)
            except Exception as error:  # the law: our faults end here
                ledger.fail(part, error)
                return None
            finally:
                spent = clock() - start
                ledger.cost += ledger.around
                ledger.cost += spent if clock is thread_time else min(spent, BRIEF)
                ledger.inside = outer

        _leave_uncompiled(call, deep=True)
        return call

    def contained(self, part: str, function: Callable[P, bool]) -> Callable[P, bool]:
        """Wrap a callback too short for `guard`: a fault gives False, and that is all it does."""

        def call(*args: P.args, **kwargs: P.kwargs) -> bool:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                self.fail(part, error)
                return False

        _leave_uncompiled(call, deep=True)
        return call

    def calibrate(self) -> None:
        """Measure what a guarded call takes apart from what it measures itself."""
        self.looking = False
        empty = self.guard("calibration", int)
        laps = []
        for _ in range(3):
            inside, start = self.cost, thread_time()
            for _ in range(LAP):
                empty()
            laps.append((thread_time() - start - (self.cost - inside)) / LAP)
        self.around = max(min(laps), 0.0)
        self.cost, self.looking = 0.0, True

    def fail(self, part: str, error: Exception) -> None:
        """A part is broken: off with it, and tell, once."""
        if part in self.broken:
            return
        self.broken.add(part)
        with contextlib.suppress(Exception):  # not even the telling may do harm
            self.on_fault(part, error)

    def claim(self) -> None:
        """This thread trains: from now on only its calls count, until it has ended."""
        here = threading.get_ident()
        if self.thread != here and (
            self.thread is None or self.thread not in {t.ident for t in threading.enumerate()}
        ):
            self.thread = here

    def ours(self) -> bool:
        """Whether this is the process and thread that is being watched."""
        if self.thread is not None and self.thread != threading.get_ident():
            return False
        return not self.forked

    def _notice_forks(self) -> None:
        """Workers that the script forks are not watched. Asking for the pid is a system call."""
        this = ref(self)

        def forked() -> None:
            ledger = this()
            if ledger is not None:
                ledger.forked = True

        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=forked)


class Patches:
    """Attributes replaced for the time of watching, put back in reverse order."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, new: Any) -> None:
        """Set `owner.name` to `new` until `undo`."""
        old = vars(owner).get(name, None) if isinstance(owner, type) else getattr(owner, name)
        _leave_uncompiled(new)
        setattr(owner, name, new)
        self._done.append((owner, name, old, new))

    def wrap(self, owner: Any, name: str, new: Callable[..., Any]) -> None:
        """Replace a function of torch's by one that calls it, for Python; TorchScript and whoever
        asks for its signature or pickles it still get the original or its name."""
        old = getattr(owner, name)
        functools.update_wrapper(new, old)
        new.__prepare_scriptable__ = lambda: old  # type: ignore[attr-defined]
        self.replace(owner, name, new)

    def undo(self) -> None:
        """Put back what was replaced, unless somebody else has replaced it since."""
        while self._done:
            owner, name, old, new = self._done.pop()
            if vars(owner).get(name) is new:
                if old is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, old)


def _leave_uncompiled(function: Any, deep: bool = False) -> None:
    """Keep torch.compile from making graphs of a function of ours that runs among compiled code.

    Traced from the user's own frame it is inlined as before, which shows the original alone.

    Args:
        deep: nor of anything that it calls.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return
    with contextlib.suppress(ImportError, AttributeError):  # a torch that does it otherwise
        from torch._C._dynamo import eval_frame as frames  # torch._dynamo takes seconds to import

        skip, default = frames._FrameAction.SKIP, frames._FrameAction.DEFAULT
        strategy = frames._FrameExecStrategy(skip, skip if deep else default)
        frames.set_code_exec_strategy(code, strategy)
