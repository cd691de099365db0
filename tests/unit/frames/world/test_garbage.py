"""What the engine makes to look at a program is never garbage that the program could count."""

from __future__ import annotations

import gc
from pathlib import Path

from frozen_program import refused

from sojourn.frames.memory import Memory

PROGRAM = """
    import asyncio, gc, os, signal, socket, threading
    def ask():
        os.kill(os.getpid(), signal.SIGURG)
        for _ in range(100_000):  # a refusal comes after some attempts
            pass
    def key(number):
        ask()
        return number
    def count(when):
        gc.set_debug(gc.DEBUG_SAVEALL)
        found = gc.collect()
        gc.set_debug(0)
        assert not found, (when, [str(each) for each in gc.garbage])
    held = socket.socketpair()  # it cannot travel
    gc.collect()
    ask(); count("refused")
    sorted(range(3), key=key); count("held by C")
    go, held_back = threading.Event(), threading.Event()
    waits = threading.Thread(target=go.wait)
    sorts = threading.Thread(target=lambda: sorted(range(2), key=lambda number: held_back.set() or go.wait()))
    waits.start(); sorts.start(); held_back.wait()
    ask(); count("another thread held by C")
    go.set(); waits.join(); sorts.join()
    ask(); count("threads gone")
    """


def test_a_freeze_that_does_not_come_off_leaves_no_garbage(tmp_path: Path) -> None:
    said = refused(PROGRAM, tmp_path)
    assert "socket.socket" in said, said


def test_reading_memory_leaves_no_garbage() -> None:
    held = object()
    gc.collect()
    gc.disable()
    try:
        with Memory() as memory:
            assert memory.class_at(id(held)) == id(object)
            assert [len(memory.read(id(object), size)) for size in (8, 24, 200)] == [8, 24, 200]
            assert memory.read(1, 8) == b""
        assert gc.collect() == 0
    finally:
        gc.enable()
