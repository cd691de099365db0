from __future__ import annotations

import subprocess
import sys
import threading

from sojourn._util import interrupts


class Stop(BaseException):
    pass


def test_raised_in_another_thread() -> None:
    def works() -> None:
        try:
            begun.set()
            while True:
                pass
        except Stop:
            ended.append(True)

    begun, ended = threading.Event(), list[bool]()
    thread = threading.Thread(target=works)
    thread.start()
    begun.wait()
    assert thread.ident is not None
    interrupts.raise_in(thread.ident, Stop)
    thread.join()
    assert ended


def test_a_taken_back_exception_leaves_nothing_behind() -> None:
    """With the flag left up, 3.11 would hang at the first traced function."""
    program = """
import ctypes, sys, _thread
from sojourn._util import interrupts
ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(_thread.get_ident()), None)
interrupts.settle()
def traced(): pass
sys.settrace(lambda frame, event, arg: print(event))
traced()
sys.settrace(None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "call\n"


def test_a_thread_that_begins_meanwhile_is_spared() -> None:
    """On 3.11 it goes by the identity of the one that starts it until it has begun."""
    program = """
import _thread
from sojourn._util import interrupts
begun = []
for number in range(300):
    _thread.start_new_thread(begun.append, (number,))
    interrupts.settle()
while len(begun) < 300:
    pass
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
