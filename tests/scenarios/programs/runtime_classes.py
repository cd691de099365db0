"""Classes made at run time: metaclass, slots, properties, super, dataclass, enum, named tuple, generics."""

import collections
import dataclasses
import enum
import typing


class Counting(type):
    made = 0

    def __new__(meta, name, bases, space, **options):
        meta.made += 1
        return super().__new__(meta, name, bases, {**space, "options": options})

    def __call__(cls, *args):
        return super().__call__(*args)


def make(step):
    class Base(metaclass=Counting, step=step):
        __slots__ = ("value", "__weakref__")

        def __init__(self, value):
            self.value = value

        @property
        def twice(self):
            return self.value * 2

        @classmethod
        def named(cls):
            return cls.__qualname__

        def __eq__(self, other):
            return self.value == other.value

        __hash__ = None

    class Derived(Base):
        def __init__(self, value):
            super().__init__(value)
            self.extra = __class__.__name__

        @property
        def twice(self):
            return super().twice + step

    return Derived


@dataclasses.dataclass(order=True, slots=True)
class Point:
    x: int
    y: int = 0


Color = enum.Enum("Color", "RED GREEN BLUE")
Flag = enum.Flag("Flag", "A B C")
Pair = collections.namedtuple("Pair", "left right", defaults=[0])
T = typing.TypeVar("T")


class Box(typing.Generic[T]):
    def __init__(self, item: T):
        self.item = item


things, total = [], 0
for step in range(200):
    cls = make(step)
    thing = cls(step)
    total += thing.twice + Point(step, 1).x + Pair(step).right + Color.BLUE.value
    things.append((thing, Color(step % 3 + 1), Flag.A | Flag.C, Box[int](step)))
    for _ in range(320_000):
        pass
thing, color, flag, box = things[-1]
print(
    total,
    Counting.made,
    cls.named(),
    thing.extra,
    cls.__mro__[1].options,
    color is Color.BLUE,
    flag,
    box.item,
)
print(
    isinstance(thing, type(thing).__mro__[1]),
    Point(1, 2) < Point(1, 3),
    sorted([Point(2), Point(1)]),
    thing == thing,
)
