"""When not to look at tensors, and how to look unseen.

Tensors are not what they seem while torch traces, exports, fakes or transforms a function: a
number read off one would be wrong, and the reading would become part of the result. And the
modes and tensor subclasses of the user must not see our operations among theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

_tracing = torch._C._get_tracing_state
_transforming = torch._C._functorch.peek_interpreter_stack
_modes = torch._C._len_torch_dispatch_stack
_mode = torch._C._get_dispatch_mode
_KINDS = torch._C._TorchDispatchModeKey
_UNREAL = (_KINDS.FAKE, _KINDS.PROXY, _KINDS.FUNCTIONAL)
_no_functions = torch._C.DisableTorchFunction


def unreal() -> bool:
    """Whether tensors here are placeholders: being traced, transformed or faked."""
    return (
        _tracing() is not None
        or _transforming() is not None
        or (_modes() > 0 and any(_mode(kind) is not None for kind in _UNREAL))
    )


def unseen() -> AbstractContextManager[Any]:
    """A context in which the user's modes and subclasses take no part in our operations."""
    if _modes() > 0:
        return _no_modes()
    context: AbstractContextManager[Any] = _no_functions()
    return context


@contextmanager
def _no_modes() -> Iterator[None]:
    with _no_functions(), _disable_current_modes():
        yield
