# pyright: basic
# (objects of any type, and modules without stubs)
"""What the standard library's extension modules make: readers and writers of tables, scanners, structures, queues.

Each is made anew from what it shows of itself: its attributes, and what the collector finds in it (`gc.get_referents`
gives the contents of a C object in the order of its traverse function, which is the same in all supported versions but
for the object's type, which newer ones add). What shows too little of itself is refused in words (`refuses`, below).

An iterator that has taken something out of its source ahead of time gets it back through a `chain` before the rest of
the source; `rest_of` drops such a chain again, so that they do not pile up over many moves.
"""

from __future__ import annotations

import os
import stat
import sys
from gc import get_referents
from itertools import chain, repeat
from operator import length_hint
from types import SimpleNamespace
from typing import Any

from sojourn.errors import Refused

from .contents import content_of, new_initialized
from .dumper import Dumper, Refuse
from .registry import constructor, name_of, reduces, refuses
from .words import scanner_place, scanner_shown, scanner_string, solid_base

_OURS = 1000  # descriptors from here on are not the program's
_TUPLE_ITERATOR: Any = type(iter(()))


def contents(obj: Any) -> list[Any]:
    """What a C object refers to, without its own type."""
    return [each for each in get_referents(obj) if each is not type(obj)]


def rest_of(iterator: Any) -> Any:
    """What is left of a chain that is in its last part; anything else is itself."""
    while name_of(type(iterator)) == "itertools.chain":
        held = contents(iterator)
        if len(held) != 2 or type(held[0]) is not _TUPLE_ITERATOR or length_hint(held[0]):
            break
        iterator = held[1]
    return iterator


# Tables of text

_DIALECT = ("delimiter", "doublequote", "escapechar", "lineterminator", "quotechar", "quoting",
            "skipinitialspace", "strict")  # fmt: skip


@reduces("_csv.Dialect")
def _reduce_dialect(dialect: Any, dumper: Dumper) -> Any:
    return csv_dialect, tuple(getattr(dialect, name) for name in _DIALECT)


@constructor
def csv_dialect(*settings: Any) -> Any:
    return __import__("_csv").Dialect(**dict(zip(_DIALECT, settings, strict=True)))


@reduces("_csv.writer")
def _reduce_writer(writer: Any, dumper: Dumper) -> Any:
    dialect, write, *_ = get_referents(writer)
    return csv_writer, (write, dialect)


@constructor
def csv_writer(write: Any, dialect: Any) -> Any:
    return __import__("_csv").writer(SimpleNamespace(write=write), dialect)


@reduces("_csv.reader")
def _reduce_reader(reader: Any, dumper: Dumper) -> Any:
    dialect, source, *_ = get_referents(reader)
    return csv_reader, (rest_of(source), dialect, reader.line_num)


@constructor
def csv_reader(source: Any, dialect: Any, lines: int) -> Any:
    """A reader counts the lines that it reads: it is given as many empty ones first."""
    reader = __import__("_csv").reader(chain(repeat("", lines), source) if lines else source, dialect)
    for _ in zip(range(lines), reader, strict=False):
        pass
    return reader


# json


_SCANNER = ("strict", "object_hook", "object_pairs_hook", "parse_float", "parse_int", "parse_constant",
            *(("array_hook",) if sys.version_info >= (3, 15) else ()))  # fmt: skip


@reduces("_json.Scanner")
def _reduce_scanner(scanner: Any, dumper: Dumper) -> Any:
    return json_scanner, tuple(getattr(scanner, name) for name in _SCANNER)


@constructor
def json_scanner(*shown: Any) -> Any:
    return __import__("_json").make_scanner(SimpleNamespace(**dict(zip(_SCANNER, shown, strict=True))))


@reduces("_json.Encoder")
def _reduce_encoder(encoder: Any, dumper: Dumper) -> Any:
    try:
        encoder(float("nan"), 0)
        nan = True
    except ValueError:
        nan = False
    shown = ("markers", "default", "encoder", "indent", "key_separator", "item_separator", "sort_keys", "skipkeys")
    return json_encoder, (*(getattr(encoder, name) for name in shown), nan)


@constructor
def json_encoder(*settings: Any) -> Any:
    return __import__("_json").make_encoder(*settings)


# Regular expressions: `finditer`


@reduces("_sre.SRE_Scanner")
def _reduce_regular_scanner(scanner: Any, dumper: Dumper) -> Any:
    if not scanner_shown(scanner.pattern):
        raise Refuse(scanner, "this interpreter does not show where it stands", "iterate over a list of the matches")
    return regular_scanner, (scanner.pattern, *scanner_string(scanner), *scanner_place(scanner))


@constructor
def regular_scanner(pattern: Any, string: Any, start: int, end: int, place: int, advance: bool) -> Any:
    """A scanner remembers how it came where it is (a match must not be empty twice): it is led there again."""
    scanner = pattern.scanner(string, start, end)
    while scanner_place(scanner) != (place, advance):
        if scanner.search() is None and scanner_place(scanner) != (place, advance):
            raise ValueError(f"a scanner of {pattern.pattern!r} cannot be led where it was")
    return scanner


# struct, functools, OrderedDict


@reduces("_struct.Struct")
def _reduce_struct(struct: Any, dumper: Dumper) -> Any:
    return binary_struct, (type(struct), struct.format)


@constructor
def binary_struct(cls: Any, layout: str) -> Any:
    return cls(layout)


@content_of("_struct.Struct")
def _struct_content(struct: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    return new_initialized, (base, cls, base.format.__get__(struct))


@reduces("functools.KeyWrapper")
def _reduce_key(key: Any, dumper: Dumper) -> Any:
    return comparison_key, tuple(contents(key))


@constructor
def comparison_key(compare: Any, *obj: Any) -> Any:
    make = __import__("_functools").cmp_to_key(compare)
    return make(*obj) if obj else make


@reduces("odict_keys", "odict_values", "odict_items", "builtins.odict_keys", "builtins.odict_values",
         "builtins.odict_items")  # fmt: skip
def _reduce_ordered_view(view: Any, dumper: Dumper) -> Any:
    return ordered_view, (get_referents(view)[-1], type(view).__name__.removeprefix("odict_"))


@constructor
def ordered_view(owner: Any, kind: str) -> Any:
    return getattr(__import__("_collections").OrderedDict, kind)(owner)


# Queues


@reduces("_queue.SimpleQueue")
def _reduce_queue(queue: Any, dumper: Dumper) -> Any:
    dumper.later(fill_queue, queue, _items_of(queue, type(queue)))
    return simple_queue, (type(queue),)


def _items_of(queue: Any, base: Any) -> list[Any]:
    held, size = contents(queue), base.qsize(queue)
    items = next(each for each in held if type(each) is list) if sys.version_info < (3, 13) else held
    return items[len(items) - size :]


@constructor
def simple_queue(cls: Any) -> Any:
    return cls()


@content_of("_queue.SimpleQueue")
def _queue_content(queue: Any, cls: type, dumper: Dumper) -> Any:
    base: Any = solid_base(cls)
    dumper.later(fill_queue, queue, _items_of(queue, base))
    return new_initialized, (base, cls)


@constructor
def fill_queue(queue: Any, items: list[Any]) -> None:
    put = solid_base(type(queue)).put  # type: ignore[attr-defined]
    for item in items:
        put(queue, item)


# Folders: `os.walk` keeps the last iterator, used up, and the last entry of each


@reduces("posix.ScandirIterator")
def _reduce_listing(listing: Any, dumper: Dumper) -> Any:
    """One that is open has a descriptor. Without one in the process, all are used up."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd < _OURS and _is_folder(fd):
            raise Refuse(listing, "it is in the middle of a folder", "let the loop over os.scandir() come to its end")
    return used_up_listing, ()


def _is_folder(fd: int) -> bool:
    try:
        return stat.S_ISDIR(os.fstat(fd).st_mode)
    except OSError:
        return False


@constructor
def used_up_listing() -> Any:
    listing = os.scandir("/")
    listing.close()
    return listing


@reduces("posix.DirEntry")
def _reduce_entry(entry: Any, dumper: Dumper) -> Any:
    folder = entry.path[: len(entry.path) - len(entry.name)]
    if not folder:
        raise Refuse(entry, "it was listed by a descriptor", "list the folder by its path")
    return folder_entry, (os.getcwd(), folder, entry.name)


@constructor
def folder_entry(base: str, folder: Any, name: Any) -> Any:
    """The same entry, read again from its folder; `base` is the program's working directory."""
    here = os.getcwd()
    try:
        os.chdir(base)
        with os.scandir(folder) as listing:
            for entry in listing:
                if entry.name == name:
                    return entry
    except OSError:
        pass
    finally:
        os.chdir(here)
    raise Refused(f"the program holds a DirEntry of {os.fsdecode(folder + name)!r}, which is not here")


# What shows too little of itself

refuses("how far it has compressed is in C, and cannot be read", "finish the stream first, work in blocks that are "
        "whole between moves, or compress with zlib or bz2, whose streams travel", "_lzma.LZMACompressor",
        "_lzma.LZMADecompressor")  # fmt: skip
refuses("a parser keeps what it has read in C", "parse the document to its end, or feed it anew after the move",
        "pyexpat.xmlparser", "xml.etree.ElementTree.XMLParser", "xml.etree.ElementTree.TreeBuilder",
        "_tokenize.TokenizerIter")  # fmt: skip
refuses("it holds keys and certificates in C", "make it anew after the move", "ssl.SSLContext", "_ssl._SSLContext",
        "ssl.MemoryBIO", "_ssl.MemoryBIO")  # fmt: skip
refuses("it does not say what it has written or read", "make it anew for each object", "_pickle.Pickler",
        "_pickle.Unpickler")  # fmt: skip
refuses("it holds memory of this process in a layout of C", "keep plain values instead (bytes, struct, array)",
        "_ctypes.Structure", "_ctypes.Union", "_ctypes.Array")  # fmt: skip
refuses("a profiler counts in C", "stop it, and start it again after the move", "cProfile.Profile", "_lsprof.Profiler")
