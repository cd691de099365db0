"""The inside of a host process: becoming it, and answering the node while the program runs.

A host is born in steps. `born` gives the forked child its session, parent and channel; `become` descriptors,
environment, directory and arguments, at once or, in a spare, when its order comes. `Commands` then stands in the
signal handler of SIGURG: the node sends a command over the control channel and the signal with it, the interpreter
runs the handler between two instructions of the program's main thread, and the handler reads what is there without
waiting.
"""
# pyright: basic
# (_signal has no stubs)

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import os
import sys
from time import sleep

from sojourn._util import descriptors, kernel
from sojourn._util.channel import Channel
from sojourn.machines.python.launch import Launch
from sojourn.machines.python.messages import Order
from sojourn.resources import standard


def settle(node: int, middle: int) -> None:
    """Waits until the process between us and the node has ended, and ties our life to the node's."""
    while os.getppid() == middle:
        sleep(0)
    kernel.die_with_parent(_signal.SIGKILL)
    if os.getppid() != node:  # it ended before we were tied to it
        os._exit(1)


def set_environment(environment: dict[str, str]) -> None:
    """Replaces the environment, Python's view of it and C's, in the given order."""
    kernel.clear_environment()
    data = os.environ._data  # pyright: ignore  (posix.environ is the same dictionary)
    data.clear()
    for name, value in environment.items():
        os.environ[name] = value


def confine(order: Order) -> None:
    """Enters the control groups, and takes on the limits, of the order."""
    for door in order.doors:
        fd = os.open(door, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")
        os.close(fd)
    if order.data is not None:
        kernel.limit_data(order.data)
    if order.processors:
        os.sched_setaffinity(0, order.processors)


def born(node: int, middle: int, control: int) -> Channel:
    """Makes a forked child a child of the node, with a session and a channel of its own."""
    os.setsid()
    settle(node, middle)
    return Channel(descriptors.raised(control))


def become(order: Order, standard_fds: list[int], coerced: dict[str, str]) -> None:
    """Makes it the host of the order. `coerced` is what the interpreter itself added to the environment."""
    for number, fd in enumerate(standard_fds):
        descriptors.placed(fd, number)
    if order.terminal:
        kernel.control_terminal(0)
    confine(order)
    set_environment(order.environment | coerced)
    os.chdir(order.cwd)


def aim(order: Order, launch: Launch) -> None:
    """Sets what the interpreter runs when its start-up is over."""
    if order.terminal:
        standard.at_terminal()
    python = sys.orig_argv[0]
    if order.module is not None:
        launch.module(order.module)
        sys.argv[:] = ["-m", *order.args]
        sys.orig_argv[:] = [python, "-m", order.module, *order.args]
    elif order.program is not None:
        path = order.program
        if not path.startswith("/"):
            path = f"{os.getcwd()}/{path.removeprefix('./')}"
        launch.script(path, order.program)
        sys.argv[:] = [order.program, *order.args]
        sys.orig_argv[:] = [python, order.program, *order.args]
