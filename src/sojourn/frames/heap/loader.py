# pyright: basic
# (objects of any type, and modules without stubs)
"""The reading half: shells, then worklists, in the order in which they were written.

The stream is: the preset (taken from `buffers`, one opcode sequence each), batches, and None. A batch is
(None, [fill, object, state, fill, …]), to be carried out in order, or (fill, state of many objects), or a plain list of
states, which only have to exist before anything that uses them is filled. The roots are a tuple of one.

What was announced has a number; a persistent id is such a number, or a tuple that says what to make and its number.

Filling by hash may come too early: the key of one dict may hash something that another late fill completes. So late
fills note the hashes they saw, and those whose keys have changed their hash are filled again until nothing moves.
"""

from __future__ import annotations

import _pickle
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from sojourn.errors import BadImage, InternalError, Refused

from .containers import (
    ADDRESS,
    BYTES,
    DICT,
    FROZEN,
    LIST,
    MODULE_DICT,
    SET,
    TUPLES,
    fill_dict,
    fill_set,
    make_frozenset,
)
from .contents import fill_items, fill_through
from .library import module_dict as _module_dict
from .modules import module_named
from .threads import number_for

_TAKE = b"\x97\x940"  # NEXT_BUFFER MEMOIZE POP
_PUT = b"\x97r%s0"  # NEXT_BUFFER LONG_BINPUT POP
_MEMOIZE = b"\x94"  # also in the midst of other bytes: a count of these is no less than that of memo entries
_ROUNDS = 8
_HASHED = (fill_dict, fill_set, fill_items, fill_through)


class Loader(_pickle.Unpickler):
    """One load. `missing` are places of the preset that have nothing here; a reference to one raises.

    The memo is filled when the loader is made, which may be long before there is anything to `read`.
    """

    def __init__(self, preset: list[Any], missing: set[int] | None = None, head_room: int = 0) -> None:
        self._buffers = preset[:]
        if missing:
            places = [index for index in range(len(preset)) if index not in missing]
            self._buffers = [preset[index] for index in places] + [None] * len(missing)
            # MEMOIZE counts entries, so as many as are missing are put where the image's own memo never gets.
            places += range(head_room, head_room + len(missing))
            head = b"".join(_PUT % place.to_bytes(4, "little") for place in places)
        else:
            head = _TAKE * len(preset)
        self._source = BytesIO(b"\x80\x05" + head + b"N.")
        # An iterator over a list goes on when the list grows: large memory comes through it too.
        super().__init__(self._source, buffers=iter(self._buffers))  # type: ignore[arg-type]
        self.load()
        self._read = 0
        self.announced: dict[int, Any] = {}
        self.hashed: list[tuple[Any, Any, Any, list[int]]] = []

    def persistent_load(self, pid: Any) -> Any:
        if type(pid) is int:
            return self.announced[pid]
        kind, place, *rest = pid
        if kind == ADDRESS:
            return number_for(place)
        made: Any
        if kind == DICT:
            made = dict.fromkeys(range(rest[0]))
        elif kind == SET:
            made = set()
        elif kind == MODULE_DICT:
            made = _module_dict(module_named(*rest))
        elif kind == FROZEN:
            made = make_frozenset(*rest)
        elif kind == LIST:
            made = []
        elif kind == BYTES:
            made = bytearray(rest[0])
        elif kind == TUPLES:
            return self._tuples(rest[0])
        else:
            raise BadImage(f"a persistent id of unknown kind {kind!r}")
        self.announced[place] = made
        return made

    def _tuples(self, rows: list[Any]) -> tuple[Any, ...]:
        """Nested tuples, innermost first: place, contents, and [position, place of an earlier one, …]."""
        made: tuple[Any, ...] = ()
        for place, contents, nested in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
            for position, earlier in zip(nested[::2], nested[1::2], strict=True):
                contents[position] = self.announced[earlier]
            made = self.announced[place] = tuple(contents)
        return made

    def read(self, data: bytes | memoryview, buffers: Iterable[Any]) -> Any:
        """The roots, complete."""
        self._buffers.extend(buffers)
        self._read = bytes(data).count(_MEMOIZE)
        self._feed(data)
        roots: Any = None
        while (batch := self.load()) is not None:
            if type(batch) is list:
                continue
            if len(batch) == 1:
                roots = batch[0]
                continue
            fill, state = batch
            if fill is None:
                self._carry_out(state)
            else:
                fill(state)
        self._settle()
        return roots

    def forget(self, size: int, most: int) -> bool:
        """Let go of everything but the preset (of `size` entries), so that this loader can be kept.

        Dropping it would count down a reference to each object of the world, and copy its page after a fork. False if
        the memo may have more than `most` entries, and dropping is cheaper.
        """
        if self._read > most:
            return False
        puts = b"".join([b"r%s" % index.to_bytes(4, "little") for index in range(size, size + self._read)])
        self._feed(b"\x80\x05N" + puts + b".")
        self.load()
        del self._buffers[size:]
        self.announced.clear()
        self.hashed.clear()
        return True

    def _feed(self, data: bytes | memoryview) -> None:
        self._source.seek(0)
        self._source.truncate()
        self._source.write(data)
        self._source.seek(0)

    def _carry_out(self, batch: list[Any]) -> None:
        parts = iter(batch)
        for fill, obj, state in zip(parts, parts, parts, strict=True):
            fill(obj, state)
            if fill in _HASHED:
                self.hashed.append((fill, obj, state, _hashes(obj)))

    def _settle(self) -> None:
        for _ in range(_ROUNDS):
            moved = [entry for entry in self.hashed if _hashes(entry[1]) != entry[3]]
            if not moved:
                return
            for fill, obj, state, hashes in moved:
                fill(obj, state)
                hashes[:] = _hashes(obj)
        raise InternalError("keys of dicts and sets change their hashes while the program is rebuilt")


def _hashes(obj: Any) -> list[int]:
    base: Any = dict if isinstance(obj, dict) else set
    return [hash(each) for each in base.__iter__(obj)]


__all__ = ["Loader", "Refused"]
