"""Objects in the middle of their use: walks over sets of plain objects and over dicts of the library that the program
has changed, iterators over own iterators, views, hashes, subclasses of C types, instances of abstract classes."""

import abc
import collections.abc
import datetime
import decimal
import hashlib
import html.entities
import weakref


class Thing:
    def __init__(self, number):
        self.number = number


class Countdown:
    def __init__(self, start):
        self.left = start

    def __iter__(self):
        assert self.left > 8990, "it is asked only once"
        return self

    def __next__(self):
        self.left -= 1
        if not self.left:
            raise StopIteration
        return self.left


class Amount(decimal.Decimal):
    def __new__(cls, value, unit):
        made = super().__new__(cls, value)
        made.unit = unit
        return made


class Day(datetime.date):
    __slots__ = ("note",)


class Squares(collections.abc.Sequence):
    def __len__(self):
        return 9000

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(index)
        return index * index


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Square(Shape):
    def area(self):
        return 4


def work():
    for _ in range(9000):
        pass


things = {Thing(number) for number in range(2000)}
weak = weakref.WeakSet(things)
html.entities.entitydefs["sojourn"] = "visit"
raw = bytearray(9000)
every, backwards = memoryview(raw)[::3], memoryview(raw)[::-1]
hashing = hashlib.sha256()
hashed = hashlib.md5()
pairs = zip(Countdown(9000), enumerate(map(str, Countdown(9000)), 1 << 70), reversed(Squares()), Squares())
changed = iter({1: 1, 2: 2})
total, price, day, square = 0, Amount("1.10", "EUR"), Day(2024, 2, 29), Square()
day.note = "leap"
seen = []
for round in range(2):
    for thing in things if round else weak:
        work()
        seen.append(thing.number)
        left, (place, text), root, four = next(pairs)
        total += left + int(text) + root + four + square.area()
        hashing.update(text.encode())
        every[thing.number] = left % 256
        backwards[0] = round
    for name in html.entities.entitydefs:
        work()
        hashed.update(name.encode())
print(sorted(seen) == sorted([*range(2000), *range(2000)]), len(seen))
print(total, place - (1 << 70), raw[-1], sum(raw) == sum(every) + 1, hashed.hexdigest())
print(hashing.hexdigest(), price.unit, price + 1, day.note, day.year, type(price).__name__, next(changed))
