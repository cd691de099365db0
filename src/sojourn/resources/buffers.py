"""Buffers whose content cannot be had again: over pipes, and over what is made of Python (`gzip`, own classes).

Theory. Where a file can be read from any place, a buffer is made empty over it, at the place where the program thinks
it is (`fileobjects`). Elsewhere what has been read ahead, or waits to be written, is nowhere but in the buffer, and
travels with it. The object is made over something that stands in and runs no code of the program; then it is given its
fields, and what it really stands on. Text files likewise: what has been decoded and not yet read, the state of the
decoder, and what `tell()` remembers.

Guarantees. Nothing is read, written or asked of what a buffer stands on, on either side. The places of fields are
compared with samples when this module is imported; only what was just made is written to.
"""
# pyright: basic
# (raw memory, private fields)

from __future__ import annotations

import ctypes
import gc
import io
from typing import TYPE_CHECKING, Any

from sojourn.errors import InternalError
from sojourn.frames.heap import registry
from sojourn.frames.heap.contents import content_of
from sojourn.frames.heap.fields import store
from sojourn.frames.heap.words import solid_base, word

if TYPE_CHECKING:
    from sojourn.frames.heap.dumper import Dumper

KINDS = (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)

# Of a buffered file: what it stands on, its memory, and numbers: where the raw file is; the place in the buffer, where
# the raw file is in it, ends of what was read and of what is to be written (-1: nothing)
_RAW, _MEMORY, _SIZE = 16, 56, 120
_NUMBERS = (48, 64, 72, 80, 88, 96)


def _held(obj: Any, at: int) -> Any:
    address = word(id(obj) + at)
    return ctypes.cast(address, ctypes.py_object).value if address else None


def _number(obj: Any, at: int) -> int:
    return ctypes.c_ssize_t.from_address(id(obj) + at).value


def _set_number(obj: Any, at: int, value: int) -> None:
    ctypes.c_ssize_t.from_address(id(obj) + at).value = value


def reduce_buffered(obj: Any, dumper: Dumper) -> Any:
    """A buffered file, with what is in it."""
    return _taken(obj, type(obj), dict(obj.__dict__), dumper)


def _subclass(obj: Any, cls: type, dumper: Dumper) -> Any:
    """One of a class made in Python, whose attributes go by themselves."""
    return _taken(obj, cls, {}, dumper)


def _taken(obj: Any, cls: type, attributes: dict[str, Any], dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    raw = _held(obj, _RAW)
    numbers = [_number(obj, at) for at in _NUMBERS]
    size = _number(obj, _SIZE)
    memory = word(id(obj) + _MEMORY)  # none when it has been closed
    held = ctypes.string_at(memory, min(size, max(0, *numbers[1:]))) if memory else b""
    dumper.later(fill_carried, obj, (raw, bool(memory), numbers, held, attributes))
    return carried_buffered, (base, cls, size)


def carried_buffered(base: Any, cls: type, size: int) -> Any:
    made = base.__new__(cls)
    base.__init__(made, io.BytesIO(), size)
    return made


def fill_carried(obj: Any, state: tuple[Any, bool, list[int], bytes, dict[str, Any]]) -> None:
    raw, begun, numbers, held, attributes = state
    base: Any = solid_base(type(obj))
    if raw is None:
        base.detach(obj)
        return
    if not begun:
        base.close(obj)
    store(id(obj) + _RAW, raw)
    for at, value in zip(_NUMBERS, numbers, strict=True):
        _set_number(obj, at, value)
    if begun:
        ctypes.memmove(word(id(obj) + _MEMORY), held, len(held))
    obj.__dict__.update(attributes)


# ---- text ----------------------------------------------------------------------------------------------------------


def decoder_of(wrapper: Any) -> Any:
    """The incremental decoder of a text file; None if it is not for reading."""
    held = gc.get_referents(wrapper)
    return next((each for each in held if hasattr(each, "decode") and hasattr(each, "setstate")), None)


def _begun(value: int) -> io.TextIOWrapper:
    wrapper = io.TextIOWrapper(io.BytesIO(b"0123456789"), "ascii")
    wrapper.read(value)
    return wrapper


def _offset(wanted: Any) -> int:
    """The offset of the one word that is, in every sample, what `wanted` says of it."""
    samples = [(value, _begun(value)) for value in (1, 2, 5)]
    size = io.TextIOWrapper.__basicsize__
    found = [at for at in range(16, size, 8) if all(word(id(it) + at) == wanted(value, it) for value, it in samples)]
    if len(found) != 1:
        raise InternalError("this interpreter's text files are not laid out as expected")
    return found[0]


_BUFFER = _offset(lambda value, sample: id(sample.buffer))
_USED = _offset(lambda value, sample: value)
_DECODED, _SNAPSHOT = _USED - 8, _USED + 24  # between them: what waits to be written


def _flags_place() -> int:
    """Three bytes: may it go elsewhere, can its buffer be asked for what is there, does it say where it is?"""
    telling, silent = _begun(1), io.TextIOWrapper(io.BytesIO(b"a\nb"), "ascii")
    next(silent)
    size = io.TextIOWrapper.__basicsize__
    one, two = (ctypes.string_at(id(each), size) for each in (telling, silent))
    begun, looping = b"\1\1\1", b"\1\1\0"
    found = [at for at in range(18, _DECODED) if (one[at - 2 : at + 1], two[at - 2 : at + 1]) == (begun, looping)]
    held = (_held(telling, _DECODED), _held(telling, _SNAPSHOT))
    if len(found) != 1 or held != ("0123456789", (0, b"0123456789")):
        raise InternalError("this interpreter's text files are not laid out as expected (flags)")
    return found[0] - 2


_FLAGS = _flags_place()


def reduce_text(obj: Any, buffer: Any, settings: tuple[Any, ...], dumper: Dumper) -> Any:
    """A text file for reading, with what it has read ahead."""
    ahead = (_held(obj, _DECODED), word(id(obj) + _USED), _held(obj, _SNAPSHOT))
    flags = ctypes.string_at(id(obj) + _FLAGS, 3)
    state = (buffer, settings, dict(obj.__dict__), decoder_of(obj).getstate(), flags, ahead)
    dumper.later(fill_carried_text, obj, state, 1)
    return io.TextIOWrapper.__new__, (io.TextIOWrapper,)


def fill_carried_text(obj: Any, state: tuple[Any, tuple[Any, ...], dict[str, Any], Any, bytes, Any]) -> None:
    buffer, settings, attributes, decoder, flags, (decoded, used, snapshot) = state
    obj.__init__(io.BytesIO(), *settings)
    decoder_of(obj).setstate(decoder)
    store(id(obj) + _DECODED, decoded, empty=decoded is None)
    _set_number(obj, _USED, used)
    store(id(obj) + _SNAPSHOT, snapshot, empty=snapshot is None)
    ctypes.memmove(id(obj) + _FLAGS, flags, 3)
    store(id(obj) + _BUFFER, buffer)
    obj.__dict__.update(attributes)


for _kind in KINDS:
    content_of(_kind)(_subclass)
for _made in (carried_buffered, fill_carried, fill_carried_text):
    registry.constructor(_made)
