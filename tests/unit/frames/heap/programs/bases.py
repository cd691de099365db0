"""Subclasses of C types keep what they have added and are not called again; abstract classes; views; hashes."""

import abc
import array
import collections.abc
import datetime
import decimal
import hashlib
import hmac
import io
import itertools
import queue
import struct
import sys
import types


def strict(base, *arguments):
    """A subclass whose `__new__` and `__init__` want something else."""

    class Strict(base):
        def __new__(cls, *, tag):
            return super().__new__(cls, *arguments)

        def __init__(self, *, tag):
            if base.__init__ is not object.__init__:
                super().__init__(*arguments)
            self.tag = tag

    return Strict(tag=[base])


class Slotted(decimal.Decimal):
    __slots__ = ("unit",)


class Zone(datetime.tzinfo):
    def __init__(self, hours):
        self.hours = hours

    def utcoffset(self, when):
        return datetime.timedelta(hours=self.hours)


class Row(collections.abc.Sequence):
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if not 0 <= index < self.size:
            raise IndexError(index)
        return index * index


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Stream(io.BufferedIOBase):
    def __init__(self):
        self.fed = self.__dict__


class Square(Shape):
    def area(self):
        return 4


def things():
    return [
        strict(decimal.Decimal, "1.50"), strict(datetime.datetime, 2024, 2, 29, 12), strict(datetime.date, 2024, 2, 29),
        strict(datetime.timedelta, 3), strict(array.array, "i", [1, 2]), strict(io.BytesIO, b"bytes"),
        strict(io.StringIO, "text"), strict(queue.SimpleQueue), strict(struct.Struct, "<I"), strict(itertools.count, 5),
        strict(types.SimpleNamespace), strict(Stream),
    ]  # fmt: skip


def views():
    raw, numbers = bytearray(range(64)), array.array("d", range(8))
    gone = memoryview(b"gone")
    gone.release()
    started = iter(memoryview(raw)[8:])
    next(started)
    return raw, numbers, gone, started, [
        memoryview(raw)[::3], memoryview(raw)[40:3:-5], memoryview(raw).cast("B", (4, 16)), memoryview(numbers)[1:5],
        memoryview(numbers)[::-2], memoryview(raw)[8:].cast("I")[::2], memoryview(raw).toreadonly(),
        memoryview(b"")[:0], memoryview(raw)[5:5],
    ]  # fmt: skip


NAMES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def hashes():
    begun = [hashlib.new(name, b"x" * 777) for name in NAMES]
    keyed = hmac.new(b"key", b"m" * 99, "sha1") if sys.version_info < (3, 15) else None  # (refused there, by name)
    return begun, [hashlib.new(name) for name in (*NAMES, "sha3_256", "blake2b")], keyed


def make():
    unit = Slotted("2.5")
    unit.unit = "m"
    squares = iter(Row(9))
    next(squares)
    shown = [(view.tolist(), view.readonly, view.strides, view.format) for view in views()[4]]
    return things(), unit, Zone(3), Row(4), squares, Square(), views(), shown, hashes()


def check(made):
    subclassed, unit, zone, row, squares, *rest = made
    number, when, day, span, numbers, octets, text, jobs, layout, count, _, stream = subclassed
    for thing in made[0]:
        base = type(thing).__mro__[1]
        assert thing.tag == [base] and type(thing).__name__ == "Strict", thing
    assert number == decimal.Decimal("1.50") and str(number) == "1.50" and unit.unit == "m" and unit * 2 == 5
    assert (when.year, when.hour, day.day, span.days, list(numbers)) == (2024, 12, 29, 3, [1, 2])
    assert (octets.read(), text.read(), jobs.qsize(), layout.size, next(count)) == (b"bytes", "text", 0, 4, 5)
    assert stream.fed["tag"] is stream.tag and not stream.closed
    assert datetime.datetime(2024, 1, 1, tzinfo=zone).isoformat().endswith("+03:00")
    assert list(row) == [0, 1, 4, 9] and list(squares) == [1, 4, 9, 16, 25, 36, 49, 64] and 9 in row
    square, (raw, numbers, gone, started, parts), shown, (begun, fresh, keyed) = rest
    assert square.area() == 4 and isinstance(square, Shape)
    try:
        Shape()
    except TypeError:
        pass
    else:
        raise AssertionError("an abstract class was called")
    assert [(view.tolist(), view.readonly, view.strides, view.format) for view in parts] == shown
    parts[1][0], parts[3][0] = 255, 7.5
    assert raw[40] == 255 and numbers[1] == 7.5 and list(started) == list(range(9, 40)) + list(raw[40:])
    try:
        gone[0]
    except ValueError:
        pass
    else:
        raise AssertionError("it was released")
    for hashing, name in zip(begun, NAMES, strict=True):
        hashing.update(b"y" * 55)
        assert hashing.hexdigest() == hashlib.new(name, b"x" * 777 + b"y" * 55).hexdigest(), name
    for hashing in fresh:
        hashing.update(b"z")
        assert hashing.hexdigest() == hashlib.new(hashing.name, b"z").hexdigest()
    if keyed is not None:
        keyed.update(b"more")
        assert keyed.hexdigest() == hmac.new(b"key", b"m" * 99 + b"more", "sha1").hexdigest()
