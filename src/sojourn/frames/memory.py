# pyright: basic
# (raw memory has no static types)
"""This process's own memory, read with errors instead of faults: for words that may be pointers, and may not.

Reading does not let go of the interpreter lock, unlike `os.pread`: what is read together belongs together. It makes no
type for the buffer (as `ctypes.create_string_buffer` does): types are cycles, and a program that counts what the
collector finds would count them.
"""

from __future__ import annotations

import ctypes
import os
import struct

_WORD = 8
_pread = ctypes.PYFUNCTYPE(ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64)(
    ("pread64", ctypes.PyDLL(None))
)
_byte_of = ctypes.c_char.from_buffer


class Memory:
    """Reads through `/proc/self/mem`. Holds a descriptor until `close`."""

    def __init__(self) -> None:
        self.fd = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read(self, address: int, size: int) -> bytes:
        """The bytes there; none where nothing can be read."""
        if not 0 < address < 1 << 47:
            return b""
        into = bytearray(size)
        count = _pread(self.fd, ctypes.addressof(_byte_of(into)), size, address)
        return bytes(into[:count]) if count > 0 else b""

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """As many words; none where they cannot be read."""
        data = self.read(address, count * _WORD)
        return struct.unpack(f"<{count}Q", data) if len(data) == count * _WORD else ()

    def class_at(self, address: int) -> int:
        """The address of the class of the object that seems to be there; 0 if it is no object's address."""
        return (self.words(address, 2) or (0, 0))[1]

    def close(self) -> None:
        os.close(self.fd)
