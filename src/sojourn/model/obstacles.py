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
    way: str = ""  # out of it, where it is another one than its reason's

    @property
    def advice(self) -> str:
        return self.way or ADVICE.get(self.why) or "finish with it before a move"


_OTHERS = "its work is done by other processes, which stay"
_LOOP = "its event loop is kept in C and in this node's kernel"
_STACKS = "it switches stacks in C, which cannot be read"
_WINDOW = "its windows are connected to this node's display"
_ADDRESSES = "what it loads and points to are addresses of this process"
_PEER = "a connection's peer stays with this node"
_DEVICE = "it keeps its data on a device of this machine"
_CHILDREN = "a process waits for the end of its children before it can move"
_TLS = "a TLS connection keeps its keys in C"

ADVICE: dict[str, str] = {
    _OTHERS: "end the pool before a move and start it again after it, or start processes of the cluster instead",
    _LOOP: "use asyncio's own loop, which travels",
    _STACKS: "use threads, asyncio or generators instead",
    _WINDOW: "keep the part with windows in a process of its own",
    _ADDRESSES: "let pointers and libraries go before a move (`del`), and load them again after it",
    _PEER: "close it, and connect again after the move",
    _DEVICE: "copy it to the processor before a move, and back after it",
    _CHILDREN: "wait for them, or start them again after the move",
    _TLS: "close it before a move: pools of connections make new ones when they are next used",
}

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
    "ctypes": Obstacle(_ADDRESSES),  # (numbers and arrays of it travel)
    "cffi": Obstacle(_ADDRESSES),
    "cupy": Obstacle(_DEVICE),
    "pycuda": Obstacle(_DEVICE, True),
    "numba.cuda": Obstacle(_DEVICE),
    "jax": Obstacle(_DEVICE),
    "curses": Obstacle(_WINDOW),
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
    "os.posix_spawn": Obstacle(_CHILDREN),
    "os.popen": Obstacle(_CHILDREN),
    "subprocess.Popen": Obstacle(_CHILDREN),
    "subprocess.run": Obstacle(_CHILDREN),
    "subprocess.call": Obstacle(_CHILDREN),
    "subprocess.check_call": Obstacle(_CHILDREN),
    "subprocess.check_output": Obstacle(_CHILDREN),
    "asyncio.create_subprocess_exec": Obstacle(_CHILDREN),
    "asyncio.create_subprocess_shell": Obstacle(_CHILDREN),
    "ctypes.CDLL": Obstacle(_ADDRESSES),
    "ctypes.cdll.LoadLibrary": Obstacle(_ADDRESSES),
    "ctypes.pointer": Obstacle(_ADDRESSES),
    "ssl.create_default_context": Obstacle(_TLS),
    "ssl.SSLContext": Obstacle(_TLS),
    "http.client.HTTPSConnection": Obstacle(_TLS),
    "asyncio.open_connection": Obstacle(_PEER),
    "asyncio.start_server": Obstacle(_PEER),
    "lzma.LZMACompressor": Obstacle(
        "how far it has compressed is in C", way="end the stream before a move, or compress with zlib or bz2"
    ),
    "xml.parsers.expat.ParserCreate": Obstacle("a parser keeps what it has read in C", way="parse to the end first"),
    "socket.socket": Obstacle(_PEER),
    "socket.create_connection": Obstacle(_PEER),
    "socket.create_server": Obstacle(_PEER),
    "select.epoll": Obstacle("it lives in this node's kernel"),
    "mmap.mmap": Obstacle("it is a view of this node's memory and files"),
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
