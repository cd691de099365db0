"""What is known to keep a program from moving, by the names it imports and calls: a table, for reading a program that
does not run yet.

A *certain* obstacle holds the process for as long as the program uses what it has imported; the others hold it only
while what they make is alive, or in what some programs do. What really holds a process is told by the process
(`sojourn check NAME`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Obstacle:
    why: str
    certain: bool = False


_OTHERS = "its work is done by other processes, which stay"
_LOOP = "its event loop is kept in C and in this node's kernel"
_STACKS = "it switches stacks in C, which cannot be read"
_WINDOW = "its windows are connected to this node's display"
_ADDRESSES = "what it loads and points to are addresses of this process"
_PEER = "a connection's peer stays with this node: close it before a move"

IMPORTS: dict[str, Obstacle] = {
    "uvloop": Obstacle(_LOOP, True),
    "gevent": Obstacle(_STACKS, True),
    "eventlet": Obstacle(_STACKS, True),
    "greenlet": Obstacle(_STACKS, True),
    "multiprocessing": Obstacle(_OTHERS, True),
    "tkinter": Obstacle(_WINDOW, True),
    "PyQt5": Obstacle(_WINDOW, True),
    "PyQt6": Obstacle(_WINDOW, True),
    "PySide6": Obstacle(_WINDOW, True),
    "pygame": Obstacle(_WINDOW, True),
    "ctypes": Obstacle(_ADDRESSES, True),
    "cffi": Obstacle(_ADDRESSES, True),
    "zmq": Obstacle("its sockets are served by threads in C", True),
    "grpc": Obstacle("its channels are kept by threads in C", True),
    "ray": Obstacle(_OTHERS, True),
    "dask.distributed": Obstacle(_OTHERS, True),
    "torch": Obstacle("tensors on a device, and threads in C, stay with this node"),
    "tensorflow": Obstacle("its graphs and threads are kept in C"),
}

CALLS: dict[str, Obstacle] = {
    "concurrent.futures.ProcessPoolExecutor": Obstacle(_OTHERS, True),
    "os.fork": Obstacle(_OTHERS),
    "os.pipe": Obstacle("a pipe's other end may stay here"),
    "subprocess.Popen": Obstacle(_OTHERS),
    "subprocess.run": Obstacle("a process waits for the end of its children before it can move"),
    "subprocess.check_output": Obstacle("a process waits for the end of its children before it can move"),
    "socket.socket": Obstacle(_PEER),
    "socket.create_connection": Obstacle(_PEER),
    "socket.create_server": Obstacle(_PEER),
    "asyncio.run": Obstacle("its selector and its wake-up sockets live in this node's kernel"),
    "select.epoll": Obstacle("it lives in this node's kernel"),
    "mmap.mmap": Obstacle("it is a view of this node's memory and files"),
    "sqlite3.connect": Obstacle("a connection to a database is kept in C: close it before a move"),
    "tempfile.TemporaryFile": Obstacle("a file without a name cannot be opened by anybody else"),
    "fcntl.flock": Obstacle("a lock on a file does not travel"),
    "fcntl.lockf": Obstacle("a lock on a file does not travel"),
}


def of_import(module: str) -> Obstacle | None:
    """What importing this module, or one in it, means."""
    parts = module.split(".")
    names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((IMPORTS[name] for name in names if name in IMPORTS), None)


def of_call(name: str) -> Obstacle | None:
    """What a call of this function or class, by its full name, means."""
    return CALLS.get(name)
