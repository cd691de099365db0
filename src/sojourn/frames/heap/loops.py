# pyright: basic
# (objects of any type, and modules without stubs)
"""Event loops of asyncio, their self-pipes, and epoll descriptors (see `frames.loops` for the theory).

Descriptors are made at the numbers that they had, since selectors, registrations and the program know them by number.
An end of a self-pipe is made together with the other one; registrations with an epoll are repeated when everything
else is there.
"""

from __future__ import annotations

import _socket
import _thread
import fcntl
import os
from typing import Any

from sojourn._util import descriptors
from sojourn.errors import Refused
from sojourn.frames import idle, loops
from sojourn.frames.lookup import type_name
from sojourn.frames.safepoint import SIGNAL

from .contents import content_of
from .dumper import Dumper, Refuse
from .registry import constructor, reduces

_MOST = 1 << 20  # bytes on their way through a self-pipe: more than the kernel keeps
_PEEK = _socket.MSG_PEEK | _socket.MSG_DONTWAIT

# Loops


def _reduce_loop(loop: Any, dumper: Dumper) -> Any:
    if type_name(type(loop)) != loops.OURS:
        raise Refuse(
            loop,
            "an event loop of another make than asyncio's own",
            "run the program with asyncio.run, without an event loop policy or a loop factory",
        )
    if vars(loop).get("_thread_id") == _thread.get_ident():  # inside of its `__init__` there is none yet
        dumper.later(fill_loop, loop, None)
    return dumper.reduce_instance(loop, dumper)


_reduce_loop.family = True  # type: ignore[attr-defined]  # for subclasses, which are refused
reduces("asyncio.events.AbstractEventLoop", loops.OURS)(_reduce_loop)


@constructor
def fill_loop(loop: Any, _: None) -> None:
    """It runs, in this thread. (Of another one's the identity is a number like any other, see `threads`.)"""
    loop._thread_id = _thread.get_ident()


def _reduce_transport(transport: Any, dumper: Dumper) -> Any:
    if loops.is_connected(transport):
        raise Refuse(transport, loops.described(transport), "close it before the move, and open it again after")
    return dumper.reduce_instance(transport, dumper)


_reduce_transport.family = True  # type: ignore[attr-defined]
reduces("asyncio.transports.BaseTransport", "asyncio.base_events.Server")(_reduce_transport)


# Sockets


@content_of("_socket.socket")
def _socket_content(sock: Any, cls: type, dumper: Dumper) -> Any:
    number = loops.number_of(sock)
    if number < 0:
        return closed_socket, (cls, [sock.family, sock.type, sock.proto])
    other = loops.other_end(number)
    if other is None and _rests(sock):
        return closed_socket, (cls, [sock.family, sock.type, sock.proto])
    if other is None:
        raise Refuse(
            sock, f"a connection belongs to this machine{_peer(sock)}", "close it before a move, and connect again"
        )
    return pipe_end, (cls, number, other, _base(cls).gettimeout(sock), [_waiting(number), _waiting(other)])


def _rests(sock: Any) -> bool:
    """Is it closed by the move, and opened anew by the connection that it belongs to?"""
    return any(each is sock for each in idle.sockets())


@reduces("http.client.HTTPConnection")
def _reduce_connection(connection: Any, dumper: Dumper) -> Any:
    if idle.resting(connection) is not None:
        dumper.later(fill_resting, connection, None, 1)
    return dumper.reduce_instance(connection, dumper)


_reduce_connection.family = True  # type: ignore[attr-defined]  # urllib3's are of a class derived from it


@constructor
def fill_resting(connection: Any, _: None) -> None:
    """It opens a socket when it has none."""
    connection.__dict__["sock"] = None


@reduces("ssl.SSLSocket")
def _reduce_encrypted(sock: Any, dumper: Dumper) -> Any:
    if sock.fileno() < 0 or _rests(sock):
        return closed_encrypted, (type(sock),)
    why = f"a connection belongs to this machine{_peer(sock)}"
    raise Refuse(sock, why, "close it before a move, and connect again")


@constructor
def closed_encrypted(cls: Any) -> Any:
    """Closed for ever: nothing of the encryption is left, its context neither."""
    made = closed_socket(cls, [_socket.AF_INET, _socket.SOCK_STREAM, 0])
    made._closed, made._io_refs, made._sslobj, made._connected = True, 0, None, False
    return made


def _base(cls: type) -> Any:
    return next(base for base in type.mro(cls) if type_name(base) == "_socket.socket")


def _peer(sock: Any) -> str:
    try:
        return f" (its peer is {loops.address(_base(type(sock)).getpeername(sock))})"
    except OSError:
        return ""


def _waiting(number: int) -> bytes:
    """What can be read at this end, but for the number of our own signal."""
    copy = _socket.socket(fileno=os.dup(number))
    try:
        data = copy.recv(_MOST, _PEEK)
    except BlockingIOError:
        data = b""
    finally:
        copy.close()
    return bytes(each for each in data if each != SIGNAL)


@reduces("_socket.socket")
def _reduce_socket(sock: Any, dumper: Dumper) -> Any:
    return _socket_content(sock, type(sock), dumper)


_made: dict[int, int] = {}  # number of an end that waits for its object -> number of the end that has one


@constructor
def pipe_end(cls: Any, number: int, other: int, timeout: float | None, waiting: list[bytes]) -> Any:
    if _made.pop(number, None) != other:
        _make_pipe(number, other, waiting)
        _made[other] = number
    made = cls.__new__(cls)
    base = _base(cls)
    base.__init__(made, _socket.AF_UNIX, _socket.SOCK_STREAM, 0, number)
    base.settimeout(made, timeout)
    return made


def _make_pipe(number: int, other: int, waiting: list[bytes]) -> None:
    ends = [descriptors.raised(end.detach()) for end in _socket.socketpair()]
    for end, wanted, data in zip(ends, (number, other), reversed(waiting), strict=True):
        os.write(end, data)
        _place(end, wanted)


def _place(fd: int, number: int) -> None:
    """Have a descriptor at the number that the program knows."""
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        os.dup2(fd, number, inheritable=False)
        os.close(fd)
        return
    raise Refused(f"descriptor {number}, which the program's event loop needs, is in use here")


@constructor
def closed_socket(cls: Any, kind: list[int]) -> Any:
    made, base = cls.__new__(cls), _base(cls)
    base.__init__(made, *map(int, kind))
    base.close(made)
    return made


# epoll


@reduces("select.epoll")
def _reduce_epoll(epoll: Any, dumper: Dumper) -> Any:
    if epoll.closed:
        return closed_epoll, (type(epoll),)
    dumper.later(fill_epoll, epoll, registered(epoll.fileno()), 2)
    return open_epoll, (type(epoll), epoll.fileno())


def registered(number: int) -> list[int]:
    """What an epoll descriptor watches, from the kernel: number, events, …"""
    flat: list[int] = []
    with open(f"/proc/self/fdinfo/{number}") as info:
        for line in info:
            if line.startswith("tfd:"):
                words = line.split()
                flat += (int(words[1]), int(words[3], 16))
    return flat


@constructor
def open_epoll(cls: Any, number: int) -> Any:
    made = cls()
    fd = made.fileno()
    if fd == number:
        return made
    _place(descriptors.raised(os.dup(fd)), number)  # it may be just that number
    made.close()
    return cls.fromfd(number)


@constructor
def closed_epoll(cls: Any) -> Any:
    made = cls()
    made.close()
    return made


@constructor
def fill_epoll(epoll: Any, flat: list[int]) -> None:
    for number, events in zip(flat[::2], flat[1::2], strict=True):
        try:
            epoll.register(number, events)
        except OSError as failure:
            raise Refused(
                f"descriptor {number}, which the program watches, cannot be watched here: {failure.strerror}"
            ) from None
