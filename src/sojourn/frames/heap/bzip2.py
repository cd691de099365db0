# pyright: basic
# (raw memory, and modules without stubs)
"""Compression of bzip2 in mid-stream (see `compression`, whose theory holds here).

The structs of libbz2 have been the same since 1.0; so the pointers in them stand where this table says. What compresses
keeps a block that is not full yet, at most 900,000 bytes, in one of three arrays; of the others nothing is used between
two calls. What decompresses keeps one block in an array of words.
"""

from __future__ import annotations

from typing import Any

from sojourn.errors import Refused

from .compression import ADVICE, WHY, allocated, allocator_shown, bytes_at, number, put, put_pending, set_word
from .dumper import Dumper, Refuse
from .fields import store
from .registry import constructor, reduces
from .words import word

_STREAM, _STATE = 16, 16 + 48  # of the stream in the objects, and of the state's address
_COUNTS = ((12, 8), (36, 8))  # in the stream: where totals are, and how long
_BLOCK = 100_000  # bytes in a block, for each level

# Compression: its struct's size; where the arrays are; what points into them; counts
_WRITER_SIZE = 55_768
_ONE, _TWO, _THREE = 24, 32, 40
_PLACES, _DATA, _VALUES, _BITS = 56, 64, 72, 80
_FILLED, _ROOM, _WRITTEN, _LEVEL = 108, 112, 116, 664
_FLUSHED = 96  # of the object

# Decompression
_READER_SIZE = 64_144
_READER_LEVEL, _ARRAY, _DONE = 40, 3152, 64_080  # `_DONE`: how many of the array's words are filled
_CODES = (64_120, 64_128, 64_136)  # what points into the struct itself
_ENDED, _UNUSED, _NEEDS, _PENDING, _PENDING_COUNT = 96, 104, 112, 120, 136


def _bz2() -> Any:
    return __import__("_bz2")


def _totals(obj: Any) -> list[bytes]:
    return [bytes_at(id(obj) + _STREAM + at, size) for at, size in _COUNTS]


def _set_totals(obj: Any, totals: list[bytes]) -> None:
    for (at, _), value in zip(_COUNTS, totals, strict=True):
        put(id(obj) + _STREAM + at, value)


def _read_compressor(obj: Any) -> tuple[bytes, bytes, int, list[bytes]]:
    """The struct; what is in the block; where in it what is to be written begins (-1: nowhere); the stream's counts.

    Raises:
        ValueError: it is not laid out as expected.
    """
    state = word(id(obj) + _STATE)
    level, blocks = number(state + _LEVEL), [word(state + at) for at in (_ONE, _TWO, _THREE)]
    pointers = tuple(word(state + at) for at in (_PLACES, _DATA, _VALUES))
    if (
        allocated(state) < _WRITER_SIZE or word(state) != id(obj) + _STREAM or level not in range(1, 10)
        or pointers != (blocks[0], blocks[1], blocks[0]) or number(state + _ROOM) != level * _BLOCK - 19
    ):  # fmt: skip
        raise ValueError("a compressor is not laid out as expected")
    start = word(state + _BITS) - blocks[1] if word(state + _BITS) else -1
    size = max(number(state + _FILLED), start + number(state + _WRITTEN))
    if size > allocated(blocks[1]):
        raise ValueError("a block is larger than its memory")
    return bytes_at(state, _WRITER_SIZE), bytes_at(blocks[1], size), start, _totals(obj)


@reduces("_bz2.BZ2Compressor")
def _reduce_compressor(obj: Any, dumper: Dumper) -> Any:
    if number(id(obj) + _FLUSHED):
        return ended_bz2_compressor, ()
    if not _shown():
        raise Refuse(obj, WHY, ADVICE)
    try:
        return bz2_compressor_again, _read_compressor(obj)
    except ValueError:
        raise Refuse(obj, WHY, ADVICE) from None


@constructor
def ended_bz2_compressor() -> Any:
    made = _bz2().BZ2Compressor(1)
    made.flush()
    return made


@constructor
def bz2_compressor_again(struct: bytes, content: bytes, start: int, totals: list[bytes]) -> Any:
    _expect_shown()
    made = _bz2().BZ2Compressor(int.from_bytes(struct[_LEVEL : _LEVEL + 4], "little"))
    state = word(id(made) + _STATE)
    blocks = [word(state + at) for at in (_ONE, _TWO, _THREE)]
    put(blocks[1], content)
    put(state, struct)
    set_word(state, id(made) + _STREAM)
    pointers = dict(zip((_ONE, _TWO, _THREE), blocks, strict=True))
    pointers |= {_PLACES: blocks[0], _DATA: blocks[1], _VALUES: blocks[0]}
    for at, block in pointers.items():
        set_word(state + at, block)
    set_word(state + _BITS, 0 if start < 0 else blocks[1] + start)
    _set_totals(made, totals)
    return made


def _read_decompressor(obj: Any) -> tuple[Any, ...]:
    """Attributes, flags and pending input; the struct, the array, the stream's counts.

    Raises:
        ValueError: it is not laid out as expected.
    """
    state = word(id(obj) + _STATE)
    level, array = number(state + _READER_LEVEL), word(state + _ARRAY)
    if allocated(state) < _READER_SIZE or word(state) != id(obj) + _STREAM:
        raise ValueError("a decompressor is not laid out as expected")
    content = b""
    if array:
        done = min(number(state + _DONE) + 1, level * _BLOCK)
        if level not in range(1, 10) or done < 0 or allocated(array) < level * _BLOCK * 4:
            raise ValueError("an array is not laid out as expected")
        content = bytes_at(array, done * 4)
    codes = [word(state + at) - state if word(state + at) else 0 for at in _CODES]
    if not all(0 <= each < _READER_SIZE for each in codes):
        raise ValueError("a pointer of a decompressor leads out of it")
    pending = bytes_at(word(id(obj) + _STREAM), word(id(obj) + _PENDING_COUNT))
    flags = [bytes_at(id(obj) + at, 1) for at in (_ENDED, _NEEDS)]
    return obj.unused_data, flags, pending, bytes_at(state, _READER_SIZE), bool(array), content, codes, _totals(obj)


@reduces("_bz2.BZ2Decompressor")
def _reduce_decompressor(obj: Any, dumper: Dumper) -> Any:
    if not _shown():
        raise Refuse(obj, WHY, ADVICE)
    try:
        return bz2_decompressor_again, _read_decompressor(obj)
    except ValueError:
        raise Refuse(obj, WHY, ADVICE) from None


@constructor
def bz2_decompressor_again(
    unused: bytes, flags: list[bytes], pending: bytes, struct: bytes, begun: bool, content: bytes, codes: list[int],
    totals: list[bytes],
) -> Any:  # fmt: skip
    _expect_shown()
    made = _bz2().BZ2Decompressor()
    if begun:
        made.decompress(b"BZh%d" % int.from_bytes(struct[_READER_LEVEL : _READER_LEVEL + 4], "little"))
    state = word(id(made) + _STATE)
    array = word(state + _ARRAY)
    put(state, struct)
    set_word(state, id(made) + _STREAM)
    set_word(state + _ARRAY, array)
    put(array, content) if begun else None
    for at, code in zip(_CODES, codes, strict=True):
        set_word(state + at, state + code if code else 0)
    _set_totals(made, totals)
    store(id(made) + _UNUSED, unused)
    put_pending(made, pending, _PENDING, _STREAM)
    for at, flag in zip((_ENDED, _NEEDS), flags, strict=True):
        put(id(made) + at, flag)
    return made


def _expect_shown() -> None:
    if not _shown():
        raise Refused("the program is in the middle of a stream of bzip2, whose state cannot be set here")


_known: list[bool] = []


def _shown() -> bool:
    """Is libbz2 laid out as expected? Tried out once, on samples."""
    if not _known:
        _known.append(True)  # what is tried out asks as well
        try:
            _known[0] = allocator_shown() and _tried()
        except (ValueError, Refused, OSError, EOFError):
            _known[0] = False
    return _known[0]


def _tried() -> bool:
    bz2 = _bz2()
    whole = b"".join(b"%d squared is %d\n" % (each, each * each % 1009) for each in range(1200))
    compressor = bz2.BZ2Compressor(1)
    begun = compressor.compress(whole[:9000])
    again = bz2_compressor_again(*_read_compressor(compressor))
    rest = [each.compress(whole[9000:]) + each.flush() for each in (compressor, again)]
    packed = begun + rest[0]
    if rest[0] != rest[1]:
        return False
    reader = bz2.BZ2Decompressor()
    for size, most in ((2, -1), (40, -1), (len(packed) // 2, -1), (len(packed), 5000)):
        seen = reader.decompress(packed[:size], most)
        again = bz2_decompressor_again(*_read_decompressor(reader))
        if seen + again.decompress(packed[size:]) != whole:
            return False
        reader = bz2.BZ2Decompressor()
    return True
