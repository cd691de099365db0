"""What cannot travel is named, with the path to it, why, and the way out; what it was taken for travels."""

from __future__ import annotations

import ctypes
import lzma
import select
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sojourn.errors import Unmovable
from sojourn.frames import heap
from sojourn.frames.heap import registry


class Holder:
    def __init__(self, thing: object) -> None:
        self.parts = {"first": [None, thing]}


def called(module: str, name: str) -> Callable[[], Any]:
    """An object of a type that is called so: of what is not installed here, or would leave a process behind."""
    return lambda: type(name, (), {"__module__": module})()


def started() -> Any:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def connected(*statements: str, name: str = ":memory:") -> sqlite3.Connection:
    base = sqlite3.connect(name, uri=True)
    for each in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)", "COMMIT", *statements):
        base.execute(each)
    return base


def traced() -> sqlite3.Connection:
    base = connected()
    base.set_trace_callback(print)
    return base


def blob() -> Any:
    return connected("UPDATE t SET a = 'x'", "COMMIT").blobopen("t", "a", 1)


KINDS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "child": (started, "child process", "wait for its end"),
    "shared": (called("multiprocessing.queues", "Queue"), "shared with other processes", "start them again"),
    "pointer": (lambda: ctypes.pointer(ctypes.c_int(1)), "addresses of this process", "plain values"),
    "text in C": (lambda: ctypes.c_char_p(b"x"), "an address of this process", ".value"),
    "library": (lambda: ctypes.CDLL(None), "addresses of this process", "plain values"),
    "TLS": (ssl.create_default_context, "keys and certificates", "anew after"),
    "compressor": (lzma.LZMACompressor, "how far it has compressed", "finish the stream"),
    "transaction": (lambda: connected("INSERT INTO t VALUES (3)"), "in the middle of a transaction", "commit()"),
    "rows to come": (lambda: connected().execute("SELECT * FROM t"), "rows still to come", "fetchall()"),
    "trace": (traced, "watches its statements", "set it to None"),
    "temporary tables": (lambda: connected("CREATE TEMP TABLE u (a)"), "temporary tables", "drop them"),
    "shared database": (lambda: connected(name="file:t?mode=memory&cache=shared"), "shares its cache", "close it"),
    "blob": (blob, "in the middle of a database", "close it"),
    "polling": (select.poll, "the kernel keeps its state", "anew"),
    "device": (called("cupy", "ndarray"), "memory of a device", ".cpu()"),
    "stacks": (called("greenlet", "greenlet"), "switches stacks", "asyncio"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_named_with_its_path_and_the_way_out(kind: str) -> None:
    make, why, advice = KINDS[kind]
    holder = Holder(make())
    try:
        with pytest.raises(Unmovable) as caught:
            heap.dump([holder])
    finally:
        thing: Any = holder.parts["first"][1]
        if kind == "child":
            thing.communicate(b"\n")
    assert why in caught.value.message and advice in (caught.value.advice or "")
    assert ".parts.first[1]" in caught.value.details["path"]


def test_what_has_ended_and_what_is_a_number_travels() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    again, number = heap.load(heap.dump([child, ctypes.c_int(3)]))
    assert (again.returncode, again.poll(), number.value) == (0, 0, 3)


def test_every_kind_has_a_reason_and_a_way_out() -> None:
    for name, (why, advice) in registry.ADVICE.items():
        assert why and len(advice.split()) > 2, name
        assert not why.endswith(".") and not advice.endswith("."), name
