# pyright: basic
# (objects of any type, and modules without stubs)
"""Sets that iterate as before.

Theory. A set iterates over its hash table. Where an element lies depends on the table's size and on which places were
taken when it was added: it is on its probe path, behind nothing but places that were taken, or in a gap that something
discarded had left. Gaps count when the table decides to grow. So a set is made again as it was, gaps and all
(`_exactly`), from the places alone: begin with a table of the right size, with the elements that lie where their hash
says, and placeholders (integers, whose hash is the place they go to) wherever else something lies or has lain. Then
discard the placeholder of each displaced element, which goes into that gap, the only one; last, those of the gaps.

Where that cannot be had gaps differ: the set iterates as before, but may grow at another time, and then iterate in
another order than it would have. For this the elements are added so that each finds its path taken, by others or by
placeholders (`_plan`); a set that only ever grew by additions, and a copy, are the cheap cases and are tried first.

The size of a table that is emptier than additions leave it comes from a removal: `difference_update` makes a table anew
when it has left many gaps, four times as large as what stays (`_after_removal`).

A frozenset cannot be grown and emptied; of its possible histories those are tried that give the right table size: made
from elements in a good order, or as the difference of a larger one (its placeholders) and them.

Guarantee: `arrange` returns True only if order and table size are as asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from operator import is_
from typing import Any

from .words import set_fill, set_gaps, set_places

SMALLEST = 8
_HEADER, _ENTRY = set().__sizeof__(), 16
_LINEAR, _SHIFT, _WORD = 9, 5, (1 << 64) - 1
_LONGEST = 4096
_FEWEST = 5  # elements from which on a table is larger than the smallest
_MANY = 50_000  # elements from which on a table grows by two, not by four
_LARGEST = 1 << 20  # tables that are searched


def table_size(obj: Any) -> int:
    """How many places the hash table of a set has."""
    base: Any = set if isinstance(obj, set) else frozenset
    return max(SMALLEST, (base.__sizeof__(obj) - _HEADER) // _ENTRY)


def is_natural(obj: Any, kind: Any, elements: list[Any]) -> bool:
    """Would adding the elements one by one give this arrangement?"""
    return _fits(kind(elements), elements, table_size(obj))


def arrangement(obj: Any) -> tuple[int, list[int] | None]:
    """Table size and the place of each element, in order of iteration."""
    size = table_size(obj)
    return size, set_places(obj, size) if size <= _LARGEST else None


def gaps(obj: set[Any]) -> list[int]:
    """Where elements of a set were discarded since its table was last made."""
    size = table_size(obj)
    return set_gaps(obj, size) if set_fill(obj) > set.__len__(obj) and size <= _LARGEST else []


def arrange(
    obj: set[Any], elements: list[Any], size: int, places: list[int] | None, discarded: list[int]
) -> bool:
    """Fill an empty set so that it iterates over `elements` in this order."""
    if places is not None and _exactly(obj, elements, size, places, discarded):
        return True
    for history in _histories(elements, size, places):
        set.clear(obj)
        history(obj)
        if _fits(obj, elements, size):
            return True
    set.clear(obj)
    set.update(obj, elements)
    return _same(obj, elements)


def _exactly(obj: set[Any], elements: list[Any], size: int, places: list[int], discarded: list[int]) -> bool:
    """The very table, gaps included."""
    at_home: list[Any] = []
    displaced: dict[int, Any] = {}
    for each, place in zip(elements, places, strict=True):
        if hash(each) & (size - 1) == place:
            at_home.append(each)
        else:
            displaced[place] = each
    taken = [*discarded, *displaced]
    fillers = dict(zip(taken, _fillers(size, taken, []), strict=True))
    for begin in (_one_by_one, _at_once, _after_removal):
        set.clear(obj)
        begin(obj, [*fillers.values(), *at_home], size)
        for place, each in displaced.items():
            set.discard(obj, fillers[place])
            set.add(obj, each)  # into the only gap that there is
        for place in discarded:
            set.discard(obj, fillers[place])
        if (
            _fits(obj, elements, size)
            and set_places(obj, size) == places
            and set_gaps(obj, size) == discarded
        ):
            return True
    return False


def _one_by_one(obj: set[Any], first: list[Any], size: int) -> None:
    for each in first:
        set.add(obj, each)


def _at_once(obj: set[Any], first: list[Any], size: int) -> None:
    set.update(obj, dict.fromkeys(first[: size // 2 - 1]))
    _one_by_one(obj, first[size // 2 - 1 :], size)


def _after_removal(obj: set[Any], first: list[Any], size: int) -> None:
    most = next((count for count in range(len(first), 0, -1) if _remade(count) == size), 0)
    junk = [place + (size << 32) for place in range(2 * size)]
    set.update(obj, first[:most], junk)
    set.difference_update(obj, junk)
    _one_by_one(obj, first[most:], size)


def _remade(used: int) -> int:
    """How large a table is made for so many elements when many were removed."""
    wanted, size = used * (2 if used > _MANY else 4), SMALLEST
    while size <= wanted:
        size <<= 1
    return size


def arranged(elements: list[Any], size: int, places: list[int] | None) -> tuple[frozenset[Any], bool]:
    """A frozenset, and whether it iterates over `elements` in this order."""
    whole = set[Any]()
    if places is not None and _exactly(whole, elements, size, places, []) and _fits(frozenset(whole), elements, size):
        return frozenset(whole), True
    plan = _plan(elements, size, places)
    for order in [elements, elements[::-1]] if plan is None else [plan[0], elements]:
        for source in (list, dict.fromkeys, set):
            made = frozenset(source(order))
            if _fits(made, elements, size):
                return made, True
    if plan is not None:
        order, needed, free = plan
        count = max(len(needed), size // 4 - len(order))
        for fillers in (_fillers(size, needed, free)[:count], _fillers(size, needed, free[::-1])[:count]):
            for whole in ([*fillers, *order], [*order, *fillers]):
                made = frozenset(dict.fromkeys(whole)).difference(fillers)
                if _fits(made, elements, size):
                    return made, True
    made = frozenset(elements)
    return made, _same(made, elements)


def _same(made: Any, elements: list[Any]) -> bool:
    return all(map(is_, made, elements))


def _fits(made: Any, elements: list[Any], size: int) -> bool:
    return table_size(made) == size and _same(made, elements)


def _histories(
    elements: list[Any], size: int, places: list[int] | None
) -> Iterator[Callable[[set[Any]], object]]:
    yield lambda obj: set.update(obj, elements)
    yield lambda obj: set.update(obj, set(elements))
    yield lambda obj: set.update(obj, dict.fromkeys(elements))
    plan = _plan(elements, size, places)
    if plan is not None:
        order, needed, free = plan
        yield lambda obj: set.update(obj, order)
        yield lambda obj: set.update(obj, dict.fromkeys(order))
        yield lambda obj: _build(obj, order, _fillers(size, needed, free), len(needed), size)
        yield lambda obj: _build(obj, order, _fillers(size, needed, free[::-1]), len(needed), size)


def _plan(
    elements: list[Any], size: int, places: list[int] | None
) -> tuple[list[Any], list[int], list[int]] | None:
    """In which order to add, where placeholders are needed, and where there is room for more; None if nowhere."""
    if places is None:
        return None
    holders = dict(zip(places, range(len(elements)), strict=True))
    needed: set[int] = set()
    waiting: list[list[int]] = []
    for element, place in zip(elements, places, strict=True):
        path: list[int] = []
        for at in islice(_path(hash(element), size - 1), _LONGEST):
            if at == place:
                break
            path.append(at)
        else:
            return None
        needed.update(at for at in path if at not in holders)
        waiting.append([holders[at] for at in path if at in holders])
    order = _sorted(waiting)
    if order is None:
        return None
    free = [at for at in range(size) if at not in holders and at not in needed]
    return [elements[index] for index in order], sorted(needed), free


def _fillers(size: int, needed: list[int], free: list[int]) -> list[int]:
    """Integers that go to these places in a table of this size."""
    return [place + (size << 24) for place in (*needed, *free)]


def _path(hashed: int, mask: int) -> Iterator[int]:
    """The places at which a set looks for an element, in order."""
    perturb = hashed & _WORD
    at = perturb & mask
    while True:
        yield from range(at, at + (_LINEAR if at + _LINEAR <= mask else 0) + 1)
        perturb >>= _SHIFT
        at = (at * 5 + 1 + perturb) & mask


def _sorted(waiting: list[list[int]]) -> list[int] | None:
    """Indices such that each comes after those that it waits for; None if there is no such order."""
    state = [0] * len(waiting)
    order: list[int] = []
    for root in range(len(waiting)):
        pending = [root]
        while pending:
            index = pending[-1]
            if state[index] == 2:
                pending.pop()
            elif state[index] == 1:
                state[index] = 2
                order.append(index)
                pending.pop()
            else:
                state[index] = 1
                for each in waiting[index]:
                    if state[each] == 1:
                        return None
                    if not state[each]:
                        pending.append(each)
    return order


def _build(obj: set[Any], order: list[Any], fillers: list[int], needed: int, size: int) -> None:
    """From a dict a set takes the size of its table at once (more than twice the dict's), then each key in order."""
    padding = max(needed, -(-size // 4) - len(order), _FEWEST - len(order) if size > SMALLEST else 0)
    whole = [*fillers[:padding], *order]
    first = size // 2 - 1 if size > SMALLEST else 0
    set.update(obj, dict.fromkeys(whole[:first]))
    set.update(obj, whole[first:])
    for filler in fillers[:padding]:  # not difference_update: it would shrink the table
        set.discard(obj, filler)
