"""Halts one thread of a child process while its others go on, as a call that never returns does."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_ANY_THREAD = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@contextmanager
def main_thread_halted(pid: int) -> Iterator[None]:
    """The main thread of this child does nothing inside, and goes on after it; Linux only.

    OSError where the system forbids it. A thread that is halted while it holds Python's lock halts
    all others too: ask them something, and try again.
    """
    _call(_SEIZE, pid)
    _call(_INTERRUPT, pid)
    # Taken here, or whoever waits for the child would take it for its end.
    os.waitpid(pid, _ANY_THREAD)
    try:
        yield
    finally:
        _call(_DETACH, pid)


def _call(request: int, pid: int) -> None:
    if _libc.ptrace(request, pid, None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
