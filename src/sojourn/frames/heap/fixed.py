# pyright: basic
# (objects of any type)
"""What is fixed to its place by nature, or kept by libraries in C: why, and what to do about it, a sentence each.

Only names stand here: none of these libraries is imported. Kinds with a reducer that refuses in some cases say so
there; what an unknown type made in C is told is in `dumper`.
"""

from __future__ import annotations

from typing import Any

from .dumper import Dumper, Refuse
from .registry import reduces, refuses


@reduces("subprocess.Popen")
def _reduce_child(child: Any, dumper: Dumper) -> Any:
    if child.__dict__.get("returncode") is None:
        raise Refuse(child, "a child process stays where it is", "wait for its end before a move: wait() or run()")
    return dumper.reduce_instance(child, dumper)


_reduce_child.family = True  # type: ignore[attr-defined]


@reduces("_ctypes._SimpleCData")
def _reduce_number(number: Any, dumper: Dumper) -> Any:
    try:
        return number.__reduce_ex__(4)
    except ValueError:  # it contains a pointer
        raise Refuse(number, "it holds an address of this process", "keep what it points to (`.value`)") from None


_reduce_number.family = True  # type: ignore[attr-defined]

refuses(
    "it is shared with other processes of this machine, which stay",
    "end the pool or the children before a move, and start them again after it",
    "multiprocessing.pool.Pool", "multiprocessing.managers.BaseManager", "multiprocessing.managers.BaseProxy",
    "multiprocessing.queues.Queue", "multiprocessing.queues.SimpleQueue", "multiprocessing.connection._ConnectionBase",
    "multiprocessing.shared_memory.SharedMemory", "multiprocessing.synchronize.SemLock", "_multiprocessing.SemLock",
    "concurrent.futures.process.ProcessPoolExecutor",
)  # fmt: skip
refuses(
    "it is a child process, which stays",
    "wait for its end before a move, or start it again after it",
    "asyncio.subprocess.Process", "asyncio.base_subprocess.BaseSubprocessTransport", "pexpect.spawnbase.SpawnBase",
)  # fmt: skip
refuses(
    "it is memory of a device of this machine",
    "copy it to the processor (`.cpu()`, `cupy.asnumpy`) before a move, and back after it",
    "cupy.ndarray", "cupy._core.core._ndarray_base", "numba.cuda.cudadrv.devicearray.DeviceNDArrayBase",
    "jaxlib._jax.ArrayImpl", "jaxlib.xla_extension.ArrayImpl", "pycuda._driver.DeviceAllocation",
)  # fmt: skip
refuses(
    "it is memory of this process, by its address",
    "keep a copy of what is there (`ffi.buffer(…)[:]`, `bytes`), and make it anew after the move",
    "_cffi_backend._CDataBase", "_cffi_backend.CLibrary", "_cffi_backend.FFI", "builtins.PyCapsule",
)  # fmt: skip
refuses(
    "it switches stacks in C, which cannot be read",
    "use threads, asyncio or generators, which travel",
    "greenlet.greenlet", "_greenlet.greenlet", "gevent._gevent_c_greenlet_primitives.TrackedRawGreenlet",
)  # fmt: skip
refuses(
    "it belongs to a window or screen of this machine",
    "close its windows before a move; keep what they show in objects of your own",
    "_tkinter.tkapp", "_curses.window", "_curses_panel.panel", "pygame.surface.Surface",
)  # fmt: skip
refuses(
    "it speaks with another program over this machine's network",
    "close it before a move: a pool makes new connections when it is next used",
    "zmq.backend.cython._zmq.Socket", "zmq.backend.cython._zmq.Context", "grpc._cython.cygrpc.Channel",
    "psycopg2.extensions.connection", "psycopg_binary._psycopg.PGconn",
)  # fmt: skip
refuses(
    "it walks over several arrays by addresses",
    "let the loop over it come to its end, or iterate over the arrays themselves",
    "numpy.nditer", "numpy.broadcast",
)  # fmt: skip
