# pyright: basic
# (objects of any type)
"""What code and data share: strings, bytes and tuples in code of the program are one object with those in its data.

Theory. A literal, a name or a keyword in code is an object like any other: `{"state": "in progress"}` puts the very
strings of its code object into a dict, and whoever compares by identity (a pickler's memo, `is` on a sentinel) sees
that. Code travels as marshal bytes and data as a pickle, so each string that is in both would be written twice and
become two. Therefore the program's code is written first, as one piece, together with a list of what lies in it, which
marshal writes as references into the code. The pickler is told that it has written these already: where the data have
one of them, it is a reference to the one in the code. Marshal also keeps what is interned interned, so the names of
attributes and globals, which the interpreter interns wherever they come from, are put into the same list.

To tell the pickler so, the list is dumped, and its bytes are thrown away; what stands in their place makes as many
entries in the loader's memo, one `next(parts)` each, by opcodes written here.

Code is looked for in the frames and in what modules, classes, closures and wrappers of functions show. Code that only
data lead to travels all the same (`functions`), with strings of its own. So do strings that only the library's code
and the program's data share: equal ones, which code of the library that is run after a move does not have in hand.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Callable, Container, Iterable, Iterator
from gc import get_referents
from types import CellType, CodeType, FunctionType
from typing import Any

from sojourn.frames.assemble import original_of

from . import registry
from .dumper import Dumper
from .functions import disturbed, note_nested, with_set
from .library import Library, module_dict, type_module
from .registry import TABLE, constructor, is_class, is_module
from .words import python_made

_names_of = type.__dict__["__dict__"].__get__
_PLAIN = frozenset((int, float, bool, type(None)))  # the pickler has no memo of them
_LONG_BINGET, _BINBYTES8, _TUPLE1, _REDUCE = b"j", b"\x8e", b"\x85", b"R"
_PROTOCOL, _EMPTY_LIST, _MEMOIZE, _POP, _STOP = b"\x80\x05", b"]", b"\x94", b"0", b"."
_NEXT = b"2)R\x94" + _POP  # DUP EMPTY_TUPLE REDUCE MEMOIZE: what the callable on the stack gives next


class Literals:
    """The code objects to be written first, and what of them has to be one object with what the data have."""

    def __init__(self, things: Iterable[Any], library: Library, known: Container[int] = ()) -> None:
        """`known`: ids of what both sides have anyway."""
        self._library = library
        self.code: list[CodeType] = []
        self._nested: set[int] = set()
        parts: dict[int, Any] = {}
        names: dict[int, str] = {}
        self._find(things, names)
        for each in self.code:
            self._take(each, parts)
        parts |= names
        self.parts = [part for place, part in parts.items() if place not in known]

    def _find(self, things: Iterable[Any], names: dict[int, str]) -> None:
        queue, seen = list(things), set[int]()
        for each in queue:  # (it grows)
            if id(each) not in seen:
                seen.add(id(each))
                queue += self._behind(each, names)

    def _behind(self, thing: Any, names: dict[int, str]) -> Iterable[Any]:
        """What is to be looked at next. Code of functions goes to the list at once."""
        kind = type(thing)
        if kind is CodeType:
            self._enter(thing)
        elif kind is FunctionType:
            if self._library.dicts.get(id(thing.__globals__)) in self._library.library:
                return ()
            self._enter(original_of(thing.__code__))
            return _behind_function(thing)
        elif kind is CellType or kind in (staticmethod, classmethod, property):
            return get_referents(thing)
        elif is_module(thing):
            contents = module_dict(thing)
            if self._library.dicts.get(id(contents)) not in self._library.library:
                return _dict_parts(contents, names)
        elif is_class(thing):
            if python_made(thing) and type_module(thing) not in self._library.library:
                return _dict_parts(_names_of(thing), names)
        elif registry.name_of(kind) == "functools._lru_cache_wrapper":
            return [each for each in get_referents(thing) if type(each) is FunctionType]
        return ()

    def _enter(self, code: CodeType) -> None:
        if id(code) not in self._nested:
            self.code.append(code)
            self._nested.add(id(code))
            self._nested.update(id(each) for each in _nested_in(code))

    def _take(self, code: CodeType, parts: dict[int, Any]) -> None:
        for found in (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars):
            parts.update(zip(map(id, found), found, strict=True))
        for each in (code.co_name, code.co_qualname):
            parts[id(each)] = each
        _take_constants(code.co_consts, parts)
        for each in code.co_consts:
            if type(each) is CodeType:
                self._take(each, parts)

    def write(self, dumper: Dumper) -> None:
        """Into the dumper's sink and memo, before anything else."""
        if not self.code:
            return
        sets = [(index, found) for index, each in enumerate(self.code) for found in disturbed(each)]
        data = marshal.dumps((self.code, sets, self.parts))
        at = dumper.sink.tell()
        dumper.written_ahead(self.code, self.parts)
        for each in self.code:
            note_nested(each, dumper)
        dumper.sink.seek(at)
        dumper.sink.truncate()
        dumper.sink.write(
            _PROTOCOL + _EMPTY_LIST + _MEMOIZE + _POP  # (the list that was dumped had an entry, too)
            + _LONG_BINGET + struct.pack("<I", list(TABLE).index(code_and_parts.__name__))
            + _BINBYTES8 + struct.pack("<Q", len(data)) + data + _TUPLE1 + _REDUCE
            + _NEXT * (len(self.code) + len(self.parts))
            + _POP + _EMPTY_LIST + _STOP
        )  # fmt: skip


def _behind_function(function: FunctionType) -> Iterator[Any]:
    """What its closure holds, and what its attributes (`__wrapped__`) are; asking for `__dict__` would make one."""
    for each in get_referents(function):
        if type(each) is tuple:
            yield from (cell for cell in each if type(cell) is CellType)
        elif type(each) is dict and each is not function.__globals__ and each is not function.__builtins__:
            yield from each.values()


def _dict_parts(contents: Any, names: dict[int, str]) -> list[Any]:
    names.update((id(key), key) for key in contents if type(key) is str)
    return list(contents.values())


def _nested_in(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if type(each) is CodeType:
            yield each
            yield from _nested_in(each)


def _take_constants(constants: tuple[Any, ...], parts: dict[int, Any]) -> bool:
    """Note strings, bytes and tuples of such and of numbers, innermost first. Are there no others?"""
    whole = True
    for each in constants:
        kind = type(each)
        if kind is str or kind is bytes:
            parts[id(each)] = each
        elif kind is tuple:
            if _take_constants(each, parts):
                if each:  # (the empty tuple has an opcode of its own)
                    parts[id(each)] = each
            else:
                whole = False
        elif kind not in _PLAIN:
            whole = False
    return whole


@constructor
def code_and_parts(data: bytes) -> Callable[[], Any]:
    """Gives each code object, then each part, one at a call."""
    code, sets, parts = marshal.loads(data)
    for index, found in sets:
        code[index] = with_set(code[index], *found)
    return iter([*code, *parts]).__next__
