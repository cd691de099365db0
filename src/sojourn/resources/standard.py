"""The three standard streams, inside a host process: what of them is not in the heap and not in the pipes.

The heap names the interpreter's own stream objects by their role, and the node carries what is in the pipes. In between
are what the objects have buffered and how they were set: output is written out, settings go as plain data, and input
that was read ahead of the program is handed to the node, which puts it back in front of the pipe, here or elsewhere.
"""
# pyright: basic
# (streams may be anything the program has made of them)

from __future__ import annotations

import io
import os
import sys
from typing import Any

from sojourn._util import descriptors
from sojourn.resources.fileobjects import decoder_of

_NAMES = ("__stdin__", "__stdout__", "__stderr__")
_SETTINGS = ("encoding", "errors", "line_buffering", "write_through")


def _text_stream(name: str) -> io.TextIOWrapper | None:
    stream = getattr(sys, name, None)
    return stream if type(stream) is io.TextIOWrapper and not stream.closed else None


def at_terminal() -> None:
    """Sets the streams as an interpreter does that finds a terminal: this one was warmed up with none."""
    for name in _NAMES[:2]:
        if (stream := _text_stream(name)) is not None:
            stream.reconfigure(line_buffering=True)


def flush() -> None:
    """Writes out what the two output streams have buffered; a program that broke its own has nothing to lose."""
    for name in _NAMES[1:]:
        if (stream := _text_stream(name)) is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                pass


def settings() -> list[dict[str, Any] | None]:
    """How each of the streams is set; None for one that is closed."""
    streams = [_text_stream(name) for name in _NAMES]
    return [stream and {name: getattr(stream, name) for name in _SETTINGS} for stream in streams]


def apply(wanted: list[dict[str, Any] | None]) -> None:
    """Sets the streams of this process like those that `settings` described."""
    for name, setting in zip(_NAMES, wanted, strict=True):
        stream = _text_stream(name)
        if stream is None:
            continue
        if setting is None:
            stream.close()
        elif any(getattr(stream, key) != value for key, value in setting.items()):
            stream.reconfigure(**setting)


def take_input() -> bytes:
    """What the input stream has read ahead of the program, out of its buffers.

    There is no asking a buffer for what it holds without the risk that it reads: so its descriptor leads nowhere for
    as long as we ask.
    """
    stream = _text_stream("__stdin__")
    if stream is None or type(stream.buffer) is not io.BufferedReader or stream.buffer.raw.closed:
        return b""
    number = stream.fileno()
    kept = descriptors.raised(os.dup(number))
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    inheritable = os.get_inheritable(number)
    os.dup2(nothing, number)
    try:
        pending = b""
        decoder = decoder_of(stream)
        if decoder is not None:
            pending = decoder.getstate()[0]
            decoder.reset()
        try:
            behind = stream.buffer.read(len(stream.buffer.peek()))
        except RuntimeError:  # the program waits in it: so it has nothing, and the text above it has nothing either
            return pending
        ahead = stream.read().encode(stream.encoding, stream.errors or "strict")
        return ahead + pending + behind
    finally:
        os.dup2(kept, number)
        os.set_inheritable(number, inheritable)
        os.close(kept)
        os.close(nothing)
