# pyright: basic
# (objects of any type)
"""Numbers that are addresses: `id(x)` kept as a dict key must still be `id(x)` after a move.

Theory. Programs and libraries remember objects by `id()` (memo tables, visited sets, parse forests). The number means
nothing in another process, and nothing tells it from any other number, except that it equals the address of an object
that travels. So after a dump the bytes are searched for numbers of address size; if some of them are addresses of what
was written, the dump is made again, and each of these numbers is written as "the address of" its object. The loader
puts in the address that the object has there. A thread's identity (`get_ident()`) is such a number, and becomes that of
the thread that goes on in its place.

Guarantees. A program without such numbers pays one search of the image. Only plain integers between 2**40 and 2**47 are
ever taken for addresses. Where a program keeps an address of an object that is gone, the number stays as it is.

Stated limits. A number that equals an address of a live object by mere chance changes with it (an address is one of
2**43 places: about one in a billion for a number drawn from that range and a program of ten thousand objects). Numbers
inside numpy arrays, bytes and strings are not found. A set that holds addresses iterates in another order.

Rejected: refusing such programs (nothing would tell the user which ones); waiting until the numbers are gone (a
parser's forest lives as long as the parse).
"""

from __future__ import annotations

import gc
import re
from typing import Any

from sojourn.frames.memory import Memory

from .containers import ADDRESS, SET
from .deep import DeepDumper
from .dumper import Dumper, Preset
from .registry import constructor

_NUMBER = re.compile(rb"\x8a\x06(......)", re.DOTALL)  # LONG1 of six bytes: 2**39 and more
_LOWEST, _HIGHEST = 1 << 40, 1 << 47
_UNWRITTEN = (
    None,
    False,
    True,
    ...,
    NotImplemented,
)  # have opcodes of their own, so the memo does not know them


def found_in(data: bytes, dumper: Dumper, identities: dict[int, Any]) -> dict[int, Any]:
    """The numbers in a finished dump that are addresses of what it wrote, with their objects; or threads' identities,
    with what stands for these.
    """
    numbers = {int.from_bytes(each, "little") for each in _NUMBER.findall(data)}
    numbers = {each for each in numbers if _LOWEST <= each < _HIGHEST}
    met = {each: identities[each] for each in numbers & identities.keys()}
    numbers -= met.keys()
    if numbers:
        with Memory() as memory:  # telling most others apart is cheaper than a copy of the memo
            numbers = {each for each in numbers if _may_be_object(memory, each)}
    if not numbers:
        return met
    found = met | {id(each): each for each in _UNWRITTEN if id(each) in numbers}
    found.update((each, entry[1]) for each, entry in dumper.memo.copy().items() if each in numbers)
    announced = numbers & dumper.announced.keys()
    if announced:
        found.update((id(each), each) for each in gc.get_objects() if id(each) in announced)
    return found


def _may_be_object(memory: Memory, address: int) -> bool:
    """Whether what is there names a class whose class is `type`, or a class of that."""
    metaclass = memory.class_at(memory.class_at(address))
    return metaclass == id(type) or memory.class_at(metaclass) == id(type)


class _Addressed(Dumper):
    """A dump that writes the given numbers as addresses of their objects."""

    def __init__(self, preset: Preset, addresses: dict[int, Any]) -> None:
        super().__init__(preset)
        self.addresses = addresses

    def persistent_id(self, obj: Any) -> Any:
        cls = type(obj)
        if cls is int:
            return (ADDRESS, self.addresses[obj]) if obj in self.addresses else None
        if cls is set and not self.addresses.keys().isdisjoint(each for each in obj if type(each) is int):
            place = self.announced.get(id(obj))
            if place is not None:
                return place
            self.later(_fill_in_any_order, obj, list(obj), 1)
            return (SET, self.announce(obj))
        return super().persistent_id(obj)


class AddressDumper(_Addressed):
    """For what an ordinary `Dumper` has written once."""


class DeepAddressDumper(_Addressed, DeepDumper):
    """For what a `DeepDumper` has written once."""


@constructor
def _fill_in_any_order(obj: set[Any], elements: list[Any]) -> None:
    obj.clear()
    obj.update(elements)
