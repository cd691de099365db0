"""File objects in the heap: how the classes of `io` that stand on descriptors are taken apart and put together.

Theory. The descriptor itself is `files`' business and is open, at its number and offset, before any object is
loaded. Here objects are rebuilt around it. What a writer has buffered is written out at capture. What a reader has read
ahead is given back: the object is rebuilt with an empty buffer at the place where the program thinks it is, which for
text is the cookie that `tell()` gives. In the middle of a `for line in file` `tell()` refuses; then the place is looked
for, and is right if decoding from there gives exactly the characters that the loop has not had yet.

What stands on pipes, or on objects made of Python, goes with what is in it (`buffers`).

A text file may also stand on an object of the program (a BytesIO): then what waits in it *stays* waiting, and travels.
Written out it would be seen by the program, and would be missing in an image that already has the object below. It is
written again, into the buffer of the text file made anew, and that this gives the same bytes is tried out at capture.

Three fields have no accessor: the newline argument, how many decoded characters are used, and what waits; they are read
at offsets found by calibration when this module is imported.

Guarantees. A file opened for appending or writing is not touched by being rebuilt. At the source only
output buffered for a descriptor is written out, which the program cannot tell. Closed files stay closed, detached ones
detached.
"""
# pyright: basic
# (raw memory, private fields)

from __future__ import annotations

import gc
import io
import os
from typing import TYPE_CHECKING, Any

from sojourn.errors import InternalError
from sojourn.frames.heap import registry
from sojourn.frames.heap.dumper import Refuse
from sojourn.frames.heap.words import word
from sojourn.resources import buffers
from sojourn.resources.buffers import decoder_of

if TYPE_CHECKING:
    from sojourn.frames.heap.dumper import Dumper

_WORD = 8
_NEWLINES = ("", "\n", "\r")


# ---- calibration -------------------------------------------------------------------------------------------


def _offsets(make: Any, wanted: Any) -> list[int]:
    """The offsets of the words that are, in every sample, what `wanted` says of it."""
    samples = [(make(value), wanted(value)) for value in (1, 2, 5)]
    size = io.TextIOWrapper.__basicsize__
    return [
        at for at in range(16, size, _WORD) if all(word(id(sample) + at) == want for sample, want in samples)
    ]


def _with_newline(value: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "ascii", newline={1: "\r", 2: None, 5: "\n"}[value])


def _with_used(value: int) -> io.TextIOWrapper:
    wrapper = io.TextIOWrapper(io.BytesIO(b"0123456789"), "ascii")
    wrapper.read(value)
    return wrapper


_WORDS = {value: "x" * (value + 10) for value in (1, 2, 5)}


def _with_waiting(value: int) -> io.TextIOWrapper:
    wrapper = io.TextIOWrapper(io.BytesIO(), "ascii")
    wrapper.write(_WORDS[value])
    return wrapper


def _found(offsets: list[int], what: str) -> int:
    if len(offsets) != 1:
        raise InternalError(f"this interpreter's text files are not laid out as expected ({what})")
    return offsets[0]


_NEWLINE = _found(_offsets(_with_newline, lambda value: {1: id("\r"), 2: 0, 5: id("\n")}[value]), "newline")
_USED = _found(_offsets(_with_used, lambda value: value), "characters used")
_WAITING = _found(_offsets(_with_waiting, lambda value: id(_WORDS[value])), "what waits to be written")


def newline_of(wrapper: Any) -> str | None:
    """The `newline` argument that a text file was opened with."""
    address = word(id(wrapper) + _NEWLINE)
    if not address:
        return None
    return next((newline for newline in _NEWLINES if id(newline) == address), "\r\n")


def cookie_of(wrapper: Any, buffer: Any) -> int:
    """Where a text file stands, as `seek` takes it.

    Raises:
        Refuse: in a `for line in file` over an encoding that cannot be decoded from the middle.
    """
    try:
        return wrapper.tell()
    except (OSError, UnicodeError):  # "telling position disabled by next() call"; or it guesses wrong
        pass
    rest, decoder = unread_text(wrapper), decoder_of(wrapper)
    state = pending, flags = decoder.getstate()
    if isinstance(decoder, io.IncrementalNewlineDecoder):
        flags &= ~1  # no "\r" waits at the place we are looking for
    here = buffer.tell()
    # Encoding may put a mark before the text (4 bytes at most), and translation has taken characters away.
    guess = here - len(pending) - len(rest.encode(wrapper.encoding, wrapper.errors))
    try:
        for start in range(min(here, guess + 4), max(-1, guess - rest.count("\n") - 3), -1):
            if _decoded(decoder, flags, _bytes_of(buffer, start, here)) == (rest, state):
                return start | flags << 64
    finally:
        decoder.setstate(state)
    why = f"it stands in the middle of a loop over its lines, and {wrapper.encoding} cannot be taken up there"
    raise Refuse(wrapper, why, "wait for the end of the loop, or read with readline()")


def unread_text(wrapper: Any) -> str:
    """What has been decoded and not yet read."""
    texts = [each for each in gc.get_referents(wrapper) if type(each) is str][
        1:-1
    ]  # without encoding and errors
    decoded = texts[-1] if len(texts) > (newline_of(wrapper) is not None) else ""
    return decoded[word(id(wrapper) + _USED) :]


def waiting_bytes(wrapper: Any) -> bytes:
    """What has been encoded and not yet given to the buffer; ASCII waits as it is, several pieces in a list."""
    address = word(id(wrapper) + _WAITING)
    waiting = next((each for each in gc.get_referents(wrapper) if address == id(each)), b"")
    pieces = waiting if isinstance(waiting, list) else [waiting]
    return b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)


def waiting_text(wrapper: Any, settings: tuple[Any, ...], buffer: Any) -> str | None:
    """What a text file made anew over the buffer has to be told to write for the same bytes to wait in it; None if
    nothing does.

    Raises:
        Refuse: its encoding does not give the same bytes again.
    """
    waiting = waiting_bytes(wrapper)
    if not waiting:
        return None
    encoding, errors, newline = settings[:3]
    try:
        text = waiting.decode(encoding, errors if errors.startswith("surrogate") else "strict")
        text = text.replace(newline or os.linesep, "\n")
        trial = io.BytesIO(bytes(1))
        trial.seek(1 if buffer.seekable() and buffer.tell() else 0)
        begun = trial.tell()
        again = io.TextIOWrapper(trial, encoding, errors, newline)
        again.write(text)
        again.flush()
        if trial.getvalue()[begun:] == waiting:
            return text
    except UnicodeError:
        pass
    why = f"what it has yet to write cannot be put into {encoding} again as it is"
    raise Refuse(wrapper, why, "flush() it before the move")


def _decoded(decoder: Any, flags: int, data: bytes) -> tuple[str, Any] | None:
    decoder.setstate((b"", flags))
    try:
        return decoder.decode(data), decoder.getstate()
    except UnicodeError:  # not the beginning of a character
        return None


def _bytes_of(buffer: Any, start: int, end: int) -> bytes:
    if isinstance(buffer, io.BytesIO):
        return bytes(buffer.getbuffer()[start:end])
    return os.pread(buffer.fileno(), end - start, start)


# ---- taking apart ------------------------------------------------------------------------------------------
# Positions are set in this order: a raw file's when it is made, a buffer's (which moves the raw file under it)
# when objects are completed (level 0), a text's (which moves the buffer) after that (level 1).

_BUFFERED = buffers.KINDS
_MODES = ("rb", "wb", "rb+")  # of a raw file that each of these accepts


def _raw(obj: Any, dumper: Dumper) -> Any:
    dumper.later(fill_file_attributes, obj, dict(obj.__dict__))
    if obj.closed:
        return closed_raw, ()
    return open_raw, (obj.fileno(), obj.mode, obj.closefd, obj.tell() if obj.seekable() else None)


def _buffered(obj: Any, dumper: Dumper) -> Any:
    raw = _under(obj, "raw")
    if raw is None:
        dumper.later(fill_file_attributes, obj, dict(obj.__dict__))
        return detached_buffered, (_BUFFERED.index(type(obj)),)
    if type(raw) is not io.FileIO or (not raw.closed and in_a_pipe(raw.fileno())):
        return buffers.reduce_buffered(obj, dumper)
    kind = _BUFFERED.index(type(obj))
    if obj.closed:
        dumper.later(fill_file_attributes, obj, dict(obj.__dict__))
        return closed_buffered, (kind, raw)
    if obj.writable():
        _write_out(obj)
    dumper.later(fill_buffered, obj, (dict(obj.__dict__), obj.tell() if obj.seekable() else None))
    return open_buffered, (kind, raw, max(obj.__sizeof__() - type(obj).__basicsize__, 1))


def _text(obj: Any, dumper: Dumper) -> Any:
    buffer = _under(obj, "buffer")
    settings = (obj.encoding, obj.errors, newline_of(obj), obj.line_buffering, obj.write_through)
    if buffer is None:
        dumper.later(fill_file_attributes, obj, dict(obj.__dict__))
        return detached_text, settings
    if obj.closed:
        dumper.later(fill_file_attributes, obj, dict(obj.__dict__))
        return closed_text, (_name_of(buffer), *settings)
    if type(buffer) in _BUFFERED:
        if buffer.writable():
            _write_out(obj)
    elif (text := waiting_text(obj, settings, buffer)) is not None:
        # A new one stands where its buffer does, as this one. (Nothing may be asked: tell() would write it out.)
        dumper.later(fill_waiting_text, obj, (buffer, settings, dict(obj.__dict__), text), 1)
        return io.TextIOWrapper.__new__, (io.TextIOWrapper,)
    cookie = None
    if decoder_of(obj) is not None and not _can_be_read_again(buffer):
        return buffers.reduce_text(obj, buffer, settings, dumper)
    if buffer.seekable():
        cookie = cookie_of(obj, buffer)
    elif unread_text(obj):
        raise Refuse(
            obj, "it has read ahead of the program from a pipe", "read it to its end before the move"
        )
    dumper.later(fill_text, obj, (buffer, settings, dict(obj.__dict__), cookie), 1)
    return io.TextIOWrapper.__new__, (io.TextIOWrapper,)


def _can_be_read_again(buffer: Any) -> bool:
    """Is it a file of the system, or memory? Not what the program or a library has made of Python."""
    if isinstance(buffer, io.BytesIO):
        return type(buffer) is io.BytesIO
    raw = getattr(buffer, "raw", None)
    return type(buffer) in _BUFFERED and type(raw) is io.FileIO and not in_a_pipe(raw.fileno())


def in_a_pipe(fd: int) -> bool:
    """Is it an end of a pipe that is none of the three streams'?"""
    name = os.readlink(f"/proc/self/fd/{fd}")
    return name.startswith("pipe:[") and all(_end_of(number) != name for number in (0, 1, 2))


def _end_of(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:  # it is closed
        return ""


def _under(obj: Any, name: str) -> Any:
    """What it stands on; None if it has been detached."""
    try:
        return getattr(obj, name)
    except ValueError:
        return None


def _name_of(buffer: Any) -> Any:
    try:
        return buffer.name
    except (AttributeError, ValueError):  # some do not tell it when they are closed
        return None


def _write_out(obj: Any) -> None:
    try:
        obj.flush()
    except OSError as failure:
        why = f"what it has buffered cannot be written: {failure}"
        raise Refuse(obj, why, "make room for it, or close it before the move") from None


# ---- putting together --------------------------------------------------------------------------------------


def open_raw(fd: int, mode: str, closefd: bool, position: int | None) -> Any:
    made = io.FileIO(fd, mode, closefd=closefd)
    if position is not None:
        os.lseek(fd, position, os.SEEK_SET)  # opening for appending has moved it
    return made


def closed_raw() -> Any:
    return io.FileIO.__new__(io.FileIO)  # one that was never opened is closed


def open_buffered(kind: int, raw: Any, size: int) -> Any:
    return _BUFFERED[kind](raw, size)


def closed_buffered(kind: int, raw: Any) -> Any:
    # A buffer looks at its raw file when it is made, and no more when it is closed.
    raw.__init__(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), _MODES[kind])
    made = _BUFFERED[kind](raw)
    made.close()
    return made


def closed_text(name: Any, *settings: Any) -> Any:
    raw = io.FileIO(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), "rb+")
    raw.name = name
    made = io.TextIOWrapper(io.BufferedRandom(raw), *settings)
    made.close()
    return made


def detached_buffered(kind: int) -> Any:
    with io.FileIO(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), _MODES[kind]) as raw:
        made = _BUFFERED[kind](raw)
        made.detach()
    return made


def detached_text(*settings: Any) -> Any:
    made = io.TextIOWrapper(io.BytesIO(), *settings)
    made.detach()
    return made


def fill_file_attributes(obj: Any, attributes: dict[str, Any]) -> None:
    obj.__dict__.update(attributes)


def fill_buffered(obj: Any, state: tuple[dict[str, Any], int | None]) -> None:
    attributes, position = state
    obj.__dict__.update(attributes)
    if position is not None:
        obj.seek(position)


def fill_text(obj: Any, state: tuple[Any, tuple[Any, ...], dict[str, Any], int | None]) -> None:
    buffer, settings, attributes, cookie = state
    obj.__init__(buffer, *settings)
    if cookie is not None:
        obj.seek(cookie)
    obj.__dict__.update(attributes)


def fill_waiting_text(obj: Any, state: tuple[Any, tuple[Any, ...], dict[str, Any], str]) -> None:
    buffer, settings, attributes, text = state
    fill_text(obj, (buffer, settings, attributes, None))
    obj.write(text)  # it waited, so it is less than what is written at once


registry.register(
    io.FileIO,
    reduce=_raw,
    constructors=(
        *(open_raw, closed_raw, open_buffered, closed_buffered, closed_text, detached_buffered, detached_text),
        *(fill_file_attributes, fill_buffered, fill_text, fill_waiting_text),
    ),
)
registry.register(*_BUFFERED, reduce=_buffered)
registry.register(io.TextIOWrapper, reduce=_text)
