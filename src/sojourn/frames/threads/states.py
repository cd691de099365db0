# pyright: basic
# (raw memory has no static types)
"""The interpreter's thread states: who there is, and what each keeps of its own. Only reads.

Where a thread state keeps something is looked for once, in the caller's own, where what is to be found is known. The
list of states changes only under the interpreter lock: what is read here is good for as long as the caller makes no
call that lets go of it.
"""

from __future__ import annotations

import _thread
import ctypes
import sys
from gc import get_referents
from typing import Any, NamedTuple

from sojourn.errors import UsageError
from sojourn.frames.analyze import VERSION

_WORD = 8
_SPAN = 96  # words of a thread's state that are searched
_word = ctypes.c_size_t.from_address
_api = ctypes.pythonapi
# By prototypes of our own: the functions that `ctypes.pythonapi` keeps are the program's, too.
_own_state = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_Get", _api))
_interpreter = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyInterpreterState_Get", _api))
_first = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("PyInterpreterState_ThreadHead", _api))
_next = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("PyThreadState_Next", _api))
_own_dict = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_GetDict", _api))


class State(NamedTuple):
    """A thread as the interpreter sees it."""

    address: int
    ident: int
    native: int  # the kernel's number


def own() -> State:
    return _read(_own_state())


def others() -> list[State]:
    """Every thread of the interpreter but the caller's, those without a frame included.

    Before it begins a thread has no identity of its own: on 3.11 it goes by that of the one that starts it, which is
    further back in the list. It is given none here.
    """
    me = _own_state()
    found: list[State] = []
    address = _first(_interpreter())
    while address:
        found.append(_read(address))
        address = _next(address)
    known: set[int] = set()
    for at in reversed(range(len(found))):
        if found[at].ident in known:
            found[at] = State(found[at].address, 0, 0)
        known.add(found[at].ident)
    return [state for state in found if state.address != me]


def _read(address: int) -> State:
    at = address + _place("ident")
    return State(address, _word(at).value, _word(at + _WORD).value)


def handled() -> dict[int, BaseException]:
    """The exceptions that are being handled, by the threads that do."""
    found: dict[int, Any] = sys._current_exceptions()
    values = ((ident, each[1] if type(each) is tuple else each) for ident, each in found.items())  # tuples: 3.11
    return {ident: value for ident, value in values if isinstance(value, BaseException)}


def local_dicts(local: Any) -> list[tuple[int, dict[str, Any]]]:
    """(ident, attributes) of a `threading.local` for each thread but the caller's that has any."""
    held = next((each for each in get_referents(local) if type(each) is dict and _keeps(each)), {})
    found: list[tuple[int, dict[str, Any]]] = []
    by_dummy = {id(key if VERSION >= (3, 13) else key()): value for key, value in held.items()}
    for state in others():
        for dummy in _dummies(state):
            if dummy in by_dummy:
                found.append((state.ident, by_dummy[dummy]))
    return found


def _keeps(held: dict[Any, Any]) -> bool:
    return any(type(key).__name__ in ("_localdummy", "ReferenceType") for key in held)


def _dummies(state: State) -> list[int]:
    """What stands for this thread in a `threading.local`: one for each of them (3.11, 3.12), or one for all."""
    if VERSION >= (3, 13):
        return [_word(state.address + _place("local key")).value]
    address = _word(state.address + _place("dict")).value
    held: Any = ctypes.cast(address, ctypes.py_object).value if address else {}
    return [id(each) for each in held.values() if type(each).__name__ == "_localdummy"]


# ---- where a thread state keeps what ---------------------------------------------------------------------------------

_places: dict[str, int] = {}


def _place(name: str) -> int:
    if name not in _places:
        _places[name] = _find(name)
    return _places[name]


def _find(name: str) -> int:
    state = _own_state()
    match name:
        case "ident":
            wanted = [_thread.get_ident(), _thread.get_native_id()]
        case "dict":
            wanted = [_own_dict()]
        case _:
            scratch = _thread._local()
            scratch.__dict__  # noqa: B018 (makes what is looked for)
            kept = next(each for each in get_referents(scratch) if type(each) is dict and _keeps(each))
            wanted = [id(next(iter(kept)))]
    words = [_word(state + n * _WORD).value for n in range(_SPAN)]
    found = [n for n in range(_SPAN) if words[n : n + len(wanted)] == wanted]
    if len(found) != 1:
        raise UsageError(f"this interpreter keeps what belongs to a thread ({name}) where it was not expected")
    return found[0] * _WORD
