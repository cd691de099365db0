# pyright: basic
# (objects of any type, and modules without stubs)
"""Instances of classes made in Python, carried bare: attributes, slots, and what the solid base holds.

Theory. `__reduce__`, `__getstate__` and `__setstate__` are for objects that leave a program. Here the program itself
travels and must not notice, so the class is not asked: a shell comes from the solid base's `__new__`, attributes are
read from `__dict__` and slots, and are written back with `object.__setattr__`, key by key. (Writing through `__dict__`
would create that dict and leave every attribute access up to 25% slower for good.)

Instances of one class with the same attributes in the same order are written as columns, which the loader sets with
one `map` per attribute: this is what makes 100,000 small objects cheap on both sides.

Guarantees. The order of attributes is kept. A descriptor of the program is never called: attributes that lie behind a
data descriptor of their own class are set through `__dict__`.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable
from itertools import repeat
from types import GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING, Any

from .contents import CONTENTS, Content, new_from, new_initialized
from .dumper import Dumper, Refuse
from .library import is_enum_member, type_module
from .registry import constructor, name_of
from .words import python_made, solid_base

if TYPE_CHECKING:
    from collections.abc import Iterable

_set = object.__setattr__
_NEW_OBJECT = copyreg.__newobj__  # pyright: ignore[reportAttributeAccessIssue]
_mro = type.__dict__["__mro__"].__get__
_names = type.__dict__["__dict__"].__get__


class Plan:
    """How instances of one class are taken apart and put together."""

    __slots__ = ("attributes", "cls", "content", "shadowed", "slots", "solid")

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.solid = solid_base(cls)
        self.content: Content | None = CONTENTS.get(self.solid) or CONTENTS.get(name_of(self.solid))
        self.attributes: Callable[[Any], dict[str, Any]] | None = None
        self.slots: list[tuple[tuple[type, str], Any]] = []
        self.shadowed: set[str] = set()  # names behind a data descriptor
        for base in _mro(cls):
            made = python_made(base)
            for name, thing in _names(base).items():
                if type(thing) is GetSetDescriptorType:
                    if name == "__dict__" and self.attributes is None and base is not type:
                        self.attributes = thing.__get__
                elif type(thing) is MemberDescriptorType and made and thing.__objclass__ is base:
                    self.slots.append(((base, name), thing))
                    self.shadowed.add(name)
                    continue
                if hasattr(type(thing), "__set__") or hasattr(type(thing), "__delete__"):
                    self.shadowed.add(name)


def plan_of(cls: type, plans: dict[type, Plan]) -> Plan:
    plan = plans.get(cls)
    if plan is None:
        plan = plans[cls] = Plan(cls)
    return plan


# Taking apart


def _reduce_instance(obj: Any, dumper: Dumper) -> Any:
    cls = type(obj)
    plan = plan_of(cls, dumper.plans)
    if plan.solid is object:
        name = is_enum_member(obj)
        if name is not None and dumper.library.named(cls):
            return enum_member, (cls, name)
        dumper.instances.append(obj)
        return object.__new__, (cls,)
    if plan.content is None:
        return _reduce_unknown(obj, dumper)
    name = is_enum_member(obj)
    if name is not None and dumper.library.named(cls):
        return enum_member, (cls, name)
    dumper.instances.append(obj)
    return plan.content.take(obj, cls, dumper)


def _reduce_unknown(obj: Any, dumper: Dumper) -> Any:
    """A class made in Python over a C type whose content we do not know: as that says itself.

    What the C type would give to the class is given to the C type: the program's `__new__` and `__init__` may want
    something else. Most C types do not speak of attributes that were added to theirs, so these are added here.
    """
    cls = type(obj)
    plan = plan_of(cls, dumper.plans)
    known = dumper.library.reductions.get(cls)
    try:
        reduced = known(obj) if known is not None else obj.__reduce_ex__(4)
    except Exception as failure:
        raise Refuse(obj, f"{type(failure).__name__}: {failure}") from None
    if not issubclass(type(reduced), str | tuple):
        raise Refuse(obj, f"its __reduce_ex__ gave {type(reduced).__name__}")
    if issubclass(type(reduced), str):
        return reduced
    make, arguments, *rest = reduced
    if make is _NEW_OBJECT and arguments[0] is cls:  # what every object says: attributes and slots are in its state
        return new_from, (plan.solid, *arguments), *rest
    if make is cls:
        make, arguments = new_initialized, (plan.solid, cls, *arguments)
    if plan.attributes is not None or plan.slots:
        dumper.instances.append(obj)
    return make, arguments, *rest


def columns(dumper: Dumper, batch: list[Any]) -> list[Any]:
    """The states of a batch of instances: [objects, keys, columns, …], or [objects, None, dicts] the slow way."""
    groups: dict[Any, tuple[list[Any], list[Any]]] = {}
    plans = dumper.plans
    for obj in batch:
        plan = plans[type(obj)]
        keys: tuple[Any, ...] = ()
        values: list[Any] = []
        if plan.attributes is not None:
            attributes = plan.attributes(obj)
            if (
                sys.getrefcount(attributes) > _OWN_REFERENCES
            ):  # the program holds this very dict elsewhere too
                rows = groups.setdefault((plan.cls, _WHOLE), ([], []))
                rows[0].append(obj)
                rows[1].append(attributes)
            elif attributes:
                if plan.shadowed.isdisjoint(attributes) and set(map(type, attributes)) == _STRINGS:
                    keys = tuple(attributes)
                    values += attributes.values()
                else:
                    rows = groups.setdefault((plan.cls, None), ([], []))
                    rows[0].append(obj)
                    rows[1].append(dumper.only([part for item in attributes.items() for part in item]))
        for key, slot in plan.slots:
            try:
                values.append(slot.__get__(obj))
            except AttributeError:
                continue
            keys += (key,)
        if keys:
            rows = groups.setdefault((plan.cls, keys), ([], []))
            rows[0].append(obj)
            rows[1].append(values)
    flat: list[Any] = []
    for (_, keys), (objects, rows) in groups.items():
        if keys is not None and keys is not _WHOLE:
            rows = [dumper.only(list(column)) for column in zip(*rows, strict=True)]
        flat += (objects, keys, rows)
    return flat


_STRINGS = {str}
_WHOLE = "dict"  # in the place of keys: the dict itself is the column
_OWN_REFERENCES = 3  # the instance's, the local's, and the one of asking

# Putting together


@constructor
def fill_columns(flat: list[Any]) -> None:
    parts = iter(flat)
    for objects, keys, columns in zip(parts, parts, parts, strict=True):
        if keys == _WHOLE:
            for obj, attributes in zip(objects, columns, strict=True):
                _dict_of(obj).__set__(obj, attributes)
            continue
        if keys is None:
            for obj, items in zip(objects, columns, strict=True):
                _fill_dict(obj, items)
            continue
        for key, column in zip(keys, columns, strict=True):
            if type(key) is str:
                _all(map(_set, objects, repeat(sys.intern(key)), column))
            else:
                owner, name = key
                _all(map(_names(owner)[name].__set__, objects, column))


def _all(calls: Iterable[None]) -> None:
    for _ in calls:
        pass


def _fill_dict(obj: Any, items: list[Any]) -> None:
    read = Plan(type(obj)).attributes
    assert read is not None
    pairs = iter(items)
    read(obj).update((sys.intern(k) if type(k) is str else k, v) for k, v in zip(pairs, pairs, strict=True))


def _dict_of(obj: Any) -> Any:
    """The descriptor behind `__dict__`."""
    read = Plan(type(obj)).attributes
    assert read is not None
    return read.__self__  # type: ignore[attr-defined]


@constructor
def enum_member(cls: Any, name: str) -> Any:
    return _names(cls)["_member_map_"][name]


constructor(object.__new__)
Dumper.reduce_instance = staticmethod(_reduce_instance)

__all__ = ["Plan", "columns", "fill_columns", "plan_of", "type_module"]
