# pyright: basic
# (raw memory, and modules without stubs)
"""Compression of zlib in mid-stream: what `compressobj`, `decompressobj` and the decoder under `gzip` have in C.

Theory. Behind each object is a `z_stream`, and behind that zlib's state: a struct and four arrays for compression, a
struct and a window for decompression. An object made anew with the same parameters has the same blocks; it is given
their content, and what points into one of the source's blocks points into the same place of the target's. Where the
pointers are is known for decompression (its struct has not changed since 1.2.9). For compression it is found: the
object is copied twice, by its `copy()`, and the words in which the copies differ are the pointers. What is the same in
a fresh object is left as it is there, the addresses of zlib's own tables too.

Guarantees. Both sides have the same version of zlib, and have seen that a sample can be taken apart, put together and
brought to its end (`_shown`); what compresses is asked on both sides what it would write if it ended now, and that is
compared. All this at the target before the program runs. Only what was just made is written to.

Rejected: feeding it again what it was fed (that is gone); zlib's own functions (they are not to be had where zlib is
linked into the interpreter, and `inflateCopy` copies within one process).
"""

from __future__ import annotations

import ctypes
from typing import Any

from sojourn.errors import Refused

from .dumper import Dumper, Refuse
from .fields import store
from .registry import constructor, reduces
from .words import word

_WORD = 8
_STREAM, _STREAM_SIZE = 16, 112  # of a z_stream in each of the objects
_TOTAL_IN, _TOTAL_OUT, _STATE, _TYPE, _CHECK = 16, 40, 56, 88, 96  # in it
WHY = "how far it has come is in C, and cannot be read here"
ADVICE = "finish the stream first, or work in blocks that are whole between moves"

# The state of compression. The arrays: what waits to be written, the window, and two tables of places in it.
_ARRAYS = (16, 96, 112, 120)
_WAITING, _WRAP, _WINDOW_BITS, _HASH_BITS = 24, 48, 84, 136
# The state of decompression: pointers to its stream, header, window, codes in use, next place in its own codes
_INFLATE_SIZE = 7160
_HEADER, _WINDOW, _LENGTHS, _DISTANCES, _NEXT = 48, 72, 104, 112, 144
_INFLATE_BITS = 56
_STORED = b"\x00\x02\x00\xfd\xffab"  # a block that is not compressed
_FIXED = b"\x4b\x4c"  # the beginning of one in zlib's own code

# Fields of the objects: those of decompressobj(), and of the decoder with a buffer of its own (3.12)
_UNUSED, _TAIL, _ENDED = 128, 136, 144
_BUFFERED_UNUSED, _PENDING, _PENDING_SIZE, _PENDING_COUNT, _FLAGS = 144, 152, 160, 168, 176

_usable = ctypes.CDLL(None).malloc_usable_size
_usable.argtypes, _usable.restype = [ctypes.c_void_p], ctypes.c_size_t
_PROBE = b"what is written if it ends now" * 9


def bytes_at(address: int, size: int) -> bytes:
    return ctypes.string_at(address, size)


def put(address: int, data: bytes) -> None:
    ctypes.memmove(address, data, len(data))


def set_word(address: int, value: int) -> None:
    ctypes.c_size_t.from_address(address).value = value


def number(address: int) -> int:
    return ctypes.c_int.from_address(address).value


def allocated(address: int) -> int:
    """The size of a block that the interpreter's raw allocator gave."""
    return _usable(address)


def allocator_shown() -> bool:
    """Is the raw allocator that of the C library, whose blocks know their sizes?"""
    api = ctypes.pythonapi
    api.PyMem_RawMalloc.restype = ctypes.c_void_p
    block = api.PyMem_RawMalloc(ctypes.c_size_t(40))
    size = _usable(block)
    api.PyMem_RawFree(ctypes.c_void_p(block))
    return 40 <= size < 80  # a little more, where the rest would be too small for a block


def put_pending(obj: Any, pending: bytes, buffer: int, stream: int) -> None:
    """Give a decoder input that waits: three fields from `buffer` on, and the pointer that its stream begins with."""
    if pending:
        api = ctypes.pythonapi
        api.PyMem_Malloc.restype = ctypes.c_void_p
        block = api.PyMem_Malloc(ctypes.c_size_t(len(pending)))
        put(block, pending)
        set_word(id(obj) + stream, block)
        for place, value in enumerate((block, len(pending), len(pending))):
            set_word(id(obj) + buffer + place * _WORD, value)


def _zlib() -> Any:
    return __import__("zlib")


def _stream_numbers(obj: Any) -> list[int]:
    stream = id(obj) + _STREAM
    return [word(stream + at) for at in (_TOTAL_IN, _TOTAL_OUT, _TYPE, _CHECK)]


def _set_stream_numbers(obj: Any, numbers: list[int]) -> None:
    for at, value in zip((_TOTAL_IN, _TOTAL_OUT, _TYPE, _CHECK), numbers, strict=True):
        set_word(id(obj) + _STREAM + at, value)


def _state_of(obj: Any) -> int:
    return word(id(obj) + _STREAM + _STATE)


# ---- compression ---------------------------------------------------------------------------------------------------


def _blocks(compressor: Any) -> list[tuple[int, int]]:
    """Where its memory is: its stream, its state (which may be a little shorter than its memory), the arrays.

    Raises:
        ValueError: it is not laid out as expected.
    """
    state = _state_of(compressor)
    window, hashes = 2 << number(state + _WINDOW_BITS), 2 << number(state + _HASH_BITS)
    found = [(id(compressor) + _STREAM, _STREAM_SIZE), (state, allocated(state))]
    for at, size in zip(_ARRAYS, (word(state + _WAITING), window, window, hashes), strict=True):
        found.append((word(state + at), size))
        if allocated(word(state + at)) < size:
            raise ValueError("an array of a compressor is shorter than expected")
    return found


def _fresh(wrap: int, bits: int, hash_bits: int) -> Any:
    zlib = _zlib()
    window = {0: -bits, 1: bits, 2: bits + 16}[abs(wrap)]
    return zlib.compressobj(wbits=window, memLevel=hash_bits - 7)


def _would_write(compressor: Any) -> tuple[int, int]:
    probe = compressor.copy()
    written = probe.compress(_PROBE) + probe.flush()
    return len(written), _zlib().crc32(written)


def _read_compressor(compressor: Any) -> tuple[Any, ...]:
    """What `compressor_again` takes.

    Raises:
        ValueError: it is not laid out as expected.
    """
    state = _state_of(compressor)
    settings = tuple(number(state + at) for at in (_WRAP, _WINDOW_BITS, _HASH_BITS))
    fresh, copies = _fresh(*settings), (compressor.copy(), compressor.copy())
    blocks, others = _blocks(compressor), _blocks(fresh)
    if [each for _, each in blocks[2:]] != [each for _, each in others[2:]]:
        raise ValueError("a fresh compressor has other blocks")
    size = min(allocated(_state_of(each)) for each in (compressor, fresh, *copies)) // _WORD * _WORD
    blocks[1] = (state, size)
    pointers: list[tuple[int, int, int]] = []
    kept: list[int] = []  # as in any fresh one
    for at in range(0, size, _WORD):
        value = word(state + at)
        if word(_state_of(copies[0]) + at) == word(_state_of(copies[1]) + at):
            if value == word(_state_of(fresh) + at):
                kept.append(at)
            continue
        inside = [(place, value - start) for place, (start, long) in enumerate(blocks) if 0 <= value - start <= long]
        if inside:
            pointers.append((at, *inside[0]))
        elif at < size - 2 * _WORD:  # behind the struct is what was there before
            raise ValueError("a pointer of a compressor leads out of it")
    if len(pointers) < 1 + len(_ARRAYS):
        raise ValueError("a compressor has fewer pointers than expected")
    contents = [bytes_at(*block) for block in blocks[1:]]
    version = _zlib().ZLIB_RUNTIME_VERSION
    return version, settings, contents, pointers, kept, _stream_numbers(compressor), _would_write(compressor)


@reduces("zlib.Compress")
def _reduce_compressor(compressor: Any, dumper: Dumper) -> Any:
    if not _state_of(compressor):
        return ended_compressor, ()
    if not _shown():
        raise Refuse(compressor, WHY, ADVICE)
    try:
        return compressor_again, _read_compressor(compressor)
    except (ValueError, KeyError):
        raise Refuse(compressor, WHY, ADVICE) from None


@constructor
def ended_compressor() -> Any:
    made = _zlib().compressobj()
    made.flush()
    return made


@constructor
def compressor_again(
    version: str, settings: tuple[int, int, int], contents: list[bytes], pointers: Any, kept: list[int],
    numbers: list[int], would_write: tuple[int, int],
) -> Any:  # fmt: skip
    _same_version(version)
    made = _fresh(*settings)
    blocks = _blocks(made)
    if [size for _, size in blocks[2:]] != [len(each) for each in contents[1:]]:
        raise Refused("a compressor of the program cannot be set here: zlib is laid out otherwise")
    for (start, _), content in zip(blocks[2:], contents[1:], strict=True):
        put(start, content)
    state, skipped = blocks[1][0], {*kept, *(at for at, _, _ in pointers)}
    for at in range(0, min(len(contents[0]), blocks[1][1]) // _WORD * _WORD, _WORD):
        if at not in skipped:
            put(state + at, contents[0][at : at + _WORD])
    for at, place, offset in pointers:
        set_word(state + at, blocks[place][0] + offset)
    _set_stream_numbers(made, numbers)
    if _would_write(made) != would_write:
        raise Refused("a compressor of the program would write something else here")
    return made


def _same_version(version: str) -> None:
    here = _zlib().ZLIB_RUNTIME_VERSION
    if here != version or not _shown():
        raise Refused(
            f"the program is in the middle of a stream of zlib {version}, this node has {here}",
            advice="move it to a node with the same version, or when the stream has ended",
        )


# ---- decompression -------------------------------------------------------------------------------------------------

_tables: list[int] = []  # where zlib keeps its own code for lengths, and for distances


def _own_tables() -> list[int]:
    if not _tables:
        fixed = _zlib().decompressobj(-15)
        fixed.decompress(_FIXED)
        _tables.extend(word(_state_of(fixed) + at) for at in (_LENGTHS, _DISTANCES))
    return _tables


def _read_inflating(obj: Any) -> tuple[Any, ...]:
    """Version, content of the struct and of the window, where its codes are, the stream's numbers.

    Raises:
        ValueError: it is not laid out as expected.
    """
    state = _state_of(obj)
    if allocated(state) < _INFLATE_SIZE or word(state) != id(obj) + _STREAM or word(state + _HEADER):
        raise ValueError("a decompressor is not laid out as expected")
    window = word(state + _WINDOW)
    content = bytes_at(window, 1 << number(state + _INFLATE_BITS)) if window else b""
    codes: list[int] = []  # offsets in the struct; negative for zlib's own
    for at, table in zip((_LENGTHS, _DISTANCES, _NEXT), (*_own_tables(), 0), strict=True):
        offset = word(state + at) - state
        if word(state + at) == table:
            codes.append(-1)
        elif 0 < offset < _INFLATE_SIZE:
            codes.append(offset)
        else:
            raise ValueError("a pointer of a decompressor leads out of it")
    version = _zlib().ZLIB_RUNTIME_VERSION
    return version, bytes_at(state, _INFLATE_SIZE), content, codes, _stream_numbers(obj)


def _set_inflating(made: Any, struct: bytes, window: bytes, codes: list[int], numbers: list[int]) -> None:
    """`made` has just been made for a stream without a header."""
    if window:
        made.decompress(_STORED)  # has it make its window
    state = _state_of(made)
    own = word(state + _WINDOW)
    put(own, window) if window else None
    put(state, struct)
    set_word(state, id(made) + _STREAM)
    set_word(state + _WINDOW, own if window else 0)
    for at, offset, table in zip((_LENGTHS, _DISTANCES, _NEXT), codes, (*_own_tables(), 0), strict=True):
        set_word(state + at, table if offset < 0 else state + offset)
    _set_stream_numbers(made, numbers)


def _bits(struct: bytes) -> int:
    return -(int.from_bytes(struct[_INFLATE_BITS : _INFLATE_BITS + 4], "little") or 15)


@reduces("zlib.Decompress")
def _reduce_decompressor(obj: Any, dumper: Dumper) -> Any:
    attributes = (obj.unused_data, obj.unconsumed_tail, int(obj.eof))
    if not _state_of(obj):
        return ended_decompressor, attributes
    if not _shown():
        raise Refuse(obj, WHY, ADVICE)
    try:
        return decompressor_again, (*attributes, _dictionary(obj, _TAIL + 2 * _WORD), *_read_inflating(obj))
    except ValueError:
        raise Refuse(obj, WHY, ADVICE) from None


def _dictionary(obj: Any, at: int) -> Any:
    address = word(id(obj) + at)
    return ctypes.cast(address, ctypes.py_object).value if address else None


def _set_attributes(made: Any, unused: bytes, tail: bytes, ended: int) -> None:
    store(id(made) + _UNUSED, unused)
    store(id(made) + _TAIL, tail)
    put(id(made) + _ENDED, bytes([ended]))


@constructor
def ended_decompressor(unused: bytes, tail: bytes, ended: int) -> Any:
    zlib = _zlib()
    made = zlib.decompressobj()
    made.decompress(zlib.compress(b""))
    made.flush()
    _set_attributes(made, unused, tail, ended)
    return made


@constructor
def decompressor_again(
    unused: bytes, tail: bytes, ended: int, dictionary: Any, version: str, struct: bytes, window: bytes,
    codes: list[int], numbers: list[int],
) -> Any:  # fmt: skip
    _same_version(version)
    more = {} if dictionary is None else {"zdict": dictionary}
    made = _zlib().decompressobj(_bits(struct), **more)
    _set_inflating(made, struct, window, codes, numbers)
    _set_attributes(made, unused, tail, ended)
    return made


@reduces("zlib._ZlibDecompressor")
def _reduce_decoder(obj: Any, dumper: Dumper) -> Any:
    if not _state_of(obj):
        return ended_decoder, (obj.unused_data,)
    if not _shown():
        raise Refuse(obj, WHY, ADVICE)
    try:
        return decoder_again, (*_read_decoder(obj), _dictionary(obj, _UNUSED), *_read_inflating(obj))
    except ValueError:
        raise Refuse(obj, WHY, ADVICE) from None


@constructor
def ended_decoder(unused: bytes) -> Any:
    zlib = _zlib()
    made = zlib._ZlibDecompressor()
    made.decompress(zlib.compress(b"") + unused)
    return made


def _read_decoder(obj: Any) -> tuple[bytes, bytes, bytes]:
    pending = bytes_at(word(id(obj) + _STREAM), word(id(obj) + _PENDING_COUNT))
    return obj.unused_data, pending, bytes_at(id(obj) + _FLAGS, 3)


@constructor
def decoder_again(
    unused: bytes, pending: bytes, flags: bytes, dictionary: Any, version: str, struct: bytes, window: bytes,
    codes: list[int], numbers: list[int],
) -> Any:  # fmt: skip
    _same_version(version)
    more = {} if dictionary is None else {"zdict": dictionary}
    made = _zlib()._ZlibDecompressor(_bits(struct), **more)
    _set_inflating(made, struct, window, codes, numbers)
    store(id(made) + _BUFFERED_UNUSED, unused)
    put_pending(made, pending, _PENDING, _STREAM)
    put(id(made) + _FLAGS, flags)
    return made


# ---- samples -------------------------------------------------------------------------------------------------------

_known: list[bool] = []


def _shown() -> bool:
    """Is this zlib laid out as expected? Tried out once, on samples."""
    if not _known:
        _known.append(False)  # what is tried out asks as well
        _known[0] = True
        try:
            _known[0] = allocator_shown() and _tried()
        except (ValueError, KeyError, Refused):
            _known[0] = False
    return _known[0]


def _tried() -> bool:
    zlib = _zlib()
    whole = b"".join(b"%d squared is %d\n" % (each, each * each % 1009) for each in range(6000))
    packed = zlib.compress(whole, 9)
    half = len(packed) // 2
    inflating = zlib.decompressobj()
    seen = inflating.decompress(packed[:half])
    state = _state_of(inflating)
    if allocated(state) < _INFLATE_SIZE or not word(state + _WINDOW) or number(state + _INFLATE_BITS) != 15:
        return False
    window, next_place = bytes_at(word(state + _WINDOW), 1 << 15), number(state + _WINDOW - 4)
    if window[next_place:] + window[:next_place] != seen[-(1 << 15) :]:
        return False
    again = decompressor_again(b"", b"", 0, None, *_read_inflating(inflating))
    if seen + again.decompress(packed[half:]) != whole or not again.eof:
        return False
    if hasattr(zlib, "_ZlibDecompressor"):
        decoder = zlib._ZlibDecompressor()
        seen = decoder.decompress(packed, 80_000)
        parts = _read_decoder(decoder)
        if not packed.endswith(parts[1]) or not parts[1] or decoder.needs_input or parts[2] != b"\1\0\0":
            return False
        again = decoder_again(*parts, None, *_read_inflating(decoder))
        if seen + again.decompress(b"") != whole:
            return False
    compressor = zlib.compressobj()
    begun = compressor.compress(whole[:25_000])
    again = compressor_again(*_read_compressor(compressor))
    rest = whole[25_000:]
    return again.compress(rest) + again.flush() == compressor.compress(rest) + compressor.flush() and bool(begun)
