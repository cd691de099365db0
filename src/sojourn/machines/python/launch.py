"""What the interpreter runs once its start-up is over, decided after the fork.

Theory. A template is an interpreter that stands still inside its own start-up: `site` imports
`sitecustomize`, which is ours and does not return before a host has been forked. When it returns in the host,
CPython finishes its start-up and runs the script its configuration names. That name is what we write here. So
the program runs with nothing of ours below it, on the Python stack or on the C stack, and everything around
it (sys.path[0], the attributes of `__main__`, directories and zips as programs, -m, syntax errors,
tracebacks, SystemExit, KeyboardInterrupt, finalization) is not imitated but done by CPython itself.

`PyConfig` has no stable layout, so the place is found, not assumed: the template was started with a script
name that nothing else is called, and the pointers to it are looked for in the configuration through
/proc/self/mem (which answers a wild pointer with an error instead of a crash). Exactly one pointer to the
name and one to a list that begins with it must be there, and the two words before the name (run_command,
run_module) must be zero.

Rejected: running the program by exec() from a function of ours (its frame, its traceback line and its share
of the recursion limit show everywhere); writing a traceback filter around that (imitates half of it).
"""
# pyright: basic
# (ctypes)

from __future__ import annotations

import _frozen_importlib_external as _bootstrap
import builtins
import ctypes
import dis
import os
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from sojourn._util import descriptors
from sojourn.errors import InternalError
from sojourn.frames.analyze import VERSION, cache_units
from sojourn.machines.python.messages import PLACEHOLDER

_WORD = ctypes.sizeof(ctypes.c_void_p)
_WIDE = ctypes.sizeof(ctypes.c_wchar)
_SPAN = 1024  # bytes of PyConfig that are searched; it has about 500
_api = ctypes.pythonapi
_api.PyMem_RawMalloc.restype = ctypes.c_void_p
_api.PyMem_RawMalloc.argtypes = [ctypes.c_size_t]
_api._Py_GetConfig.restype = ctypes.c_void_p


def _wide(text: str) -> bytes:
    """A C wide string. (Not by a codec, whose module would stay behind in `sys.modules`; nor by an array of ctypes,
    whose type would be garbage that the program's collector counts.)
    """
    return b"".join(ord(each).to_bytes(_WIDE, sys.byteorder) for each in f"{text}\0")


def _copied(text: str) -> int:
    data = _wide(text)
    address = _api.PyMem_RawMalloc(len(data))  # the interpreter frees it at its end
    if not address:
        raise MemoryError
    ctypes.memmove(address, data, len(data))
    return address


def _put(address: int, value: int) -> None:
    ctypes.c_void_p.from_address(address).value = value


_compiled: Any = getattr(_bootstrap, "_code_to_hash_pyc")  # noqa: B009  (untyped: it is the import system's own)
_NAME = "__sojourn_resume__"


def _trampoline() -> CodeType:
    """`__sojourn_resume__()()`, in a frame that is never seen.

    A frame that has not come to its first RESUME counts as not yet begun: tracebacks, `f_back` and `sys._getframe`
    pass it by. This one makes both calls before it.
    """
    if VERSION < (3, 13):
        call = ["PRECALL", "CALL"] if VERSION < (3, 12) else ["CALL"]
        steps = ["PUSH_NULL", "PUSH_NULL", "LOAD_NAME", *call, *call, "POP_TOP"]
    else:
        steps = ["LOAD_NAME", "PUSH_NULL", "CALL", "PUSH_NULL", "CALL", "POP_TOP"]
    code = b"".join(
        bytes((dis.opmap[name], 0)) + bytes(2 * cache_units(name))
        for name in [*steps, "RESUME", "LOAD_CONST", "RETURN_VALUE"]
    )
    empty = compile("", "<sojourn>", "exec", dont_inherit=True)
    return empty.replace(co_code=code, co_consts=(None,), co_names=(_NAME,), co_stacksize=4)


class Launch:
    """Where the interpreter's configuration names the program."""

    def __init__(self) -> None:
        config = _api._Py_GetConfig()
        mark = _wide(PLACEHOLDER)
        memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)

        def peek(address: int, size: int) -> bytes:
            try:
                return os.pread(memory, size, address) if 0 < address < 1 << 47 else b""
            except OSError:
                return b""

        def word(address: int) -> int:
            return int.from_bytes(peek(address, _WORD), "little")

        try:
            places = range(config, config + _SPAN, _WORD)
            files = [place for place in places if peek(word(place), len(mark)) == mark]
            lists = [place for place in places if peek(word(word(place)), len(mark)) == mark]
            if len(files) != 1 or len(lists) != 1 or word(files[0] - _WORD) or word(files[0] - 2 * _WORD):
                raise InternalError(
                    "this interpreter's configuration is not laid out as expected: it cannot carry processes",
                    details={"files": len(files), "lists": len(lists)},
                )
            self._file = files[0]
            self._argument = word(lists[0])  # address of the first item of argv
        finally:
            os.close(memory)

    def script(self, path: str, argument: str) -> None:
        """As `python argument`, where `path` is the absolute form of it."""
        _put(self._file, _copied(path))
        _put(self._argument, _copied(argument))

    def resume(self, take: Callable[[], Callable[[], object]]) -> None:
        """Has `take()` called, and what it gives, on a stack on which nothing of ours can be seen.

        The interpreter is given a compiled program, a few instructions long, in a file in memory. Compiled code can
        hold no reference to us, so the first thing it does is to fetch `take` from where it stands for that moment,
        in the builtins.
        """
        fd = descriptors.raised(descriptors.memfd("sojourn-resume"))
        os.write(fd, bytes(_compiled(_trampoline(), bytes(8), False)))
        os.lseek(fd, 0, os.SEEK_SET)
        path = f"/proc/self/fd/{fd}"

        def taken() -> Callable[[], object]:
            delattr(builtins, _NAME)
            sys.path_importer_cache.pop(path, None)
            os.close(fd)
            return take()

        setattr(builtins, _NAME, taken)
        _put(self._file, _copied(path))

    def module(self, name: str) -> None:
        """As `python -m name`."""
        _put(self._file, 0)
        _put(self._file - _WORD, _copied(name))
        _put(self._argument, _copied("-m"))
