# pyright: basic
# (the program's module `threading` has no static types here)
"""What the module `threading` writes down about threads, and what of it travels.

`_active` and `_limbo` say which `Thread` has which identity, `_dangling` which objects there are, and up to 3.12
`_shutdown_locks` whom the interpreter waits for at its end. They belong to the process and not to the module's pristine
state, so `world` skips them; here they are taken along as they are. Identities among them are numbers like any other in
the heap, and become those of the new threads (see the package).

The locks around them are the one place where threads that are parked must not stand: `in_use`.
"""

from __future__ import annotations

import _thread
import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

from sojourn.frames.analyze import VERSION

_LOCKS = ("_active_limbo_lock", "_shutdown_locks_lock")
_HANDLES = hasattr(_thread, "_ThreadHandle")  # 3.13 and later
END = "_tstate_lock"  # where a `Thread` keeps what others wait for its end with
if _HANDLES:
    END = "_handle" if VERSION < (3, 14) else "_os_thread_handle"
_C_LOCKS = (type(_thread.allocate_lock()), _thread.RLock)


def _module() -> dict[str, Any] | None:
    module = sys.modules.get("threading")
    return None if module is None else vars(module)


def thread_of(ident: int) -> Any:
    """The `threading.Thread` of an identity, if it has one; that of a thread that is about to enter itself, too."""
    module = _module()
    if module is None:
        return None
    beginning = (each for each in list(module["_limbo"].values()) if ident and _ident_of(each) == ident)
    return module["_active"].get(ident) or next(beginning, None)


def _ident_of(thread: Any) -> Any:
    """Its identity, which it has written down itself up to 3.12, and which its starter has from then on."""
    known = vars(thread)
    return getattr(known.get(END), "ident", None) if _HANDLES else known.get("_ident")


def main_thread() -> Any:
    module = _module()
    return None if module is None else module["_main_thread"]


def main_end() -> Any:
    """What others wait for the main thread's end with."""
    return getattr(main_thread(), END)


def in_use(frames: Iterable[FrameType] = ()) -> bool:
    """Does any thread stand where these tables are being changed, or one of those that stand in `frames` where it is
    given what others wait for its end with (up to 3.12 two things: made, and taken)?
    """
    module = _module() or {}
    locks = [module.get(name) for name in _LOCKS]
    if any(type(lock) in _C_LOCKS and repr(lock).startswith("<locked") for lock in locks):
        return True
    beginning = getattr(getattr(module.get("Thread"), "_set_tstate_lock", None), "__code__", None)
    return beginning is not None and any(frame.f_code is beginning for frame in frames)


def capture() -> Any:
    """Everything but the main thread; None if there is nothing else."""
    module = _module()
    if module is None:
        return None
    main = module["_main_thread"]
    found = {
        "active": [part for item in module["_active"].items() if item[1] is not main for part in item],
        "limbo": list(module["_limbo"].values()),
        "dangling": [each for each in map(_alive, list(module["_dangling"].data)) if each not in (None, main)],
        "shutdown": list(module.get("_shutdown_locks", ())),
        "ended": main_end().is_done() if _HANDLES else main_end() is None,
    }
    return found if any(found.values()) else None


def _alive(reference: Any) -> Any:
    return reference()


def restore(found: Any) -> None:
    module = _module()
    assert module is not None
    parts = iter(found["active"])
    for ident, thread in zip(parts, parts, strict=True):
        module["_active"][ident] = thread
    for thread in found["limbo"]:
        module["_limbo"][thread] = thread
    for thread in found["dangling"]:
        module["_dangling"].add(thread)
    if "_shutdown_locks" in module:
        module["_shutdown_locks"].clear()  # the main thread's is there again, if nobody has waited for it yet
        module["_shutdown_locks"].update(found["shutdown"])
    if found["ended"]:
        _end_main()


def _end_main() -> None:
    """As the interpreter's end has done it already, elsewhere."""
    if _HANDLES:
        main_end()._set_done()
    elif (lock := main_end()) is not None:
        lock.release()
        setattr(main_thread(), END, None)
