# pyright: basic
# (_signal has no stubs)
"""The program's signal handlers while all threads are at rest.

The thread that freezes blocks signals; then the kernel gives them to another thread, one that waits in a call, and the
interpreter runs the handler in the main thread all the same: in the midst of the capture. So for that time a handler of
ours stands for each of the program's. It sends the signal on to the main thread alone, where it is blocked: it is
handled when the program goes on, here or elsewhere.

Handlers are exchanged with all that the kernel knows of them (`siginterrupt`). Our own signal stays open: it would only
interrupt other threads' calls.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import _thread
import ctypes
from types import FrameType
from typing import Any

OURS = _signal.SIGURG
_action = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
    ("sigaction", ctypes.PyDLL(None))
)
_SIZE = 256  # of the C structure, and more
_Action = ctypes.c_char * _SIZE
handlers: dict[int, Any] = {}  # the program's own, while ours stand in


class Deferred:
    """For a thread that has blocked all signals but `OURS`."""

    def __init__(self) -> None:
        self._actions: dict[int, Any] = {}
        self._thread = _thread.get_ident()
        for number in _signal.valid_signals():
            handler = _signal.getsignal(number)
            if number != OURS and callable(handler) and handler not in (_signal.SIG_DFL, _signal.SIG_IGN):
                action = _Action()
                _action(number, None, action)
                self._actions[number], handlers[number] = action, handler
                _signal.signal(number, self._later)

    def _later(self, number: int, frame: FrameType | None) -> None:
        _signal.pthread_kill(self._thread, number)

    def end(self) -> None:
        for number, action in self._actions.items():
            _signal.signal(number, handlers.pop(number))
            _action(number, action, None)
        self._actions = {}
