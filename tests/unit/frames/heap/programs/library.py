"""Objects of the standard library, most of them made in C."""

import array
import contextvars
import datetime
import decimal
import fractions
import functools
import io
import os
import random
import re
import threading
import time
import types
import weakref


class Thing:
    pass


class Meta(type):
    kind = "meta"


class Called(metaclass=Meta):
    def __call__(self):
        return "called"

    def __repr__(self):
        raise AssertionError("nobody may ask")


class Gone:
    pass


@functools.lru_cache(maxsize=3)
def square(x, *, k=1):
    square.calls += 1
    return [x * x]


square.calls = 0


@functools.cache
def single():
    return object()


@functools.singledispatch
def kind(x):
    return "d"


@kind.register
def _(x: int):
    return "i"


variable = contextvars.ContextVar("variable", default=5)


def make():
    m = {"thing": Thing()}
    square(2)
    square(3)
    square(4, k=2)
    square(5)
    m["single"] = single()
    m["match"] = re.search("b+", "aabb")
    m["pattern"] = re.compile("(a)(b)?", re.I)
    m["full"] = re.compile("a|ab").fullmatch("ab")
    m["partial"] = functools.partial(int, base=2)
    m["ref"] = weakref.ref(m["thing"])
    m["dead"] = weakref.ref(Gone())
    m["proxy"] = weakref.proxy(m["thing"])
    m["called"] = Called()
    m["proxies"] = [weakref.proxy(each) for each in (Called, Thing, m["called"], int, square)]
    m["gone"] = [weakref.proxy(Called()), weakref.proxy(Gone())]
    m["values"] = weakref.WeakValueDictionary({"a": m["thing"]})
    m["keys"] = weakref.WeakKeyDictionary({m["thing"]: 5})
    m["weak set"] = weakref.WeakSet([m["thing"]])
    m["bytes"] = bytearray(b"hello")
    m["view"] = memoryview(m["bytes"])[1:3]
    m["text"] = io.StringIO("abc\n")
    m["text"].read(1)
    m["binary"] = io.BytesIO(b"abc")
    m["binary"].read(2)
    one, two = random.Random(5), random.Random(5)
    one.gauss(0, 1)
    two.gauss(0, 1)
    m["random"] = (one, two)
    held = threading.Lock()
    held.acquire()
    again = threading.RLock()
    again.acquire()
    again.acquire()
    m["locks"] = (held, again, threading.Lock())
    m["event"] = threading.Event()
    m["condition"] = threading.Condition()
    m["context"] = contextvars.Context()
    m["context"].run(variable.set, 8)
    m["decimal"] = (decimal.Decimal("1.5"), decimal.Context(prec=5))
    m["fraction"] = fractions.Fraction(1, 3)
    m["date"] = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    m["array"] = array.array("d", [1, 2])
    m["proxy of dict"] = types.MappingProxyType({"a": 1})
    m["class dict"] = vars(Thing)
    m["bound"] = ([].append, "abc".upper, dict.fromkeys, (5).__add__, m["bytes"].extend)
    m["namespace"] = types.SimpleNamespace(a=1)
    m["single things"] = (..., NotImplemented, type(None), type(...))
    m["types"] = (list[int], int | None, slice(1, 2), types.FunctionType, type(iter([])), type({}.items()))
    m["struct"] = (time.gmtime(0), os.stat("/"))
    m["object"] = object()
    m["method"] = m["text"].write
    return m


def check(m):
    assert square.calls == 4
    square(5)
    square(3)
    square(4, k=2)
    assert square.calls == 4
    square(2)
    assert square.calls == 5
    assert single() is m["single"] and kind(1) == "i" and kind("") == "d"
    assert (
        m["match"].span() == (2, 4)
        and m["pattern"].match("AB").groups() == ("A", "B")
        and m["full"].span() == (0, 2)
    )
    assert m["partial"]("11") == 3 and m["ref"]() is m["thing"] and m["dead"]() is None
    m["proxy"].x = 1
    of_meta, of_class, of_called, of_int, of_function = m["proxies"]
    assert {type(each) for each in m["proxies"]} == {weakref.CallableProxyType}
    assert of_meta.kind == "meta" and type(of_class()) is Thing and of_called() == "called"
    assert of_int("7") == 7 and of_function.__name__ == "square" and type(m["called"]).__call__
    assert [type(each) for each in m["gone"]] == [weakref.CallableProxyType, weakref.ProxyType]
    assert (
        m["thing"].x == 1
        and m["values"]["a"] is m["thing"]
        and m["keys"][m["thing"]] == 5
        and m["thing"] in m["weak set"]
    )
    assert bytes(m["view"]) == b"el"
    m["view"][0] = 65
    assert m["bytes"] == b"hAllo"
    assert m["text"].read() == "bc\n" and m["binary"].read() == b"c"
    one, two = m["random"]
    assert one.random() == two.random() and one.gauss(0, 1) == two.gauss(0, 1)
    held, again, free = m["locks"]
    assert held.locked() and not free.locked() and again._is_owned()
    again.release()
    again.release()
    assert not again._is_owned() and not m["event"].is_set()
    with m["condition"]:
        pass
    assert variable.get() == 5 and m["context"][variable] == 8
    assert (
        m["decimal"][0] == decimal.Decimal("1.5")
        and m["decimal"][1].prec == 5
        and m["fraction"] == fractions.Fraction(1, 3)
    )
    assert m["date"].year == 2020 and m["array"][1] == 2 and m["proxy of dict"]["a"] == 1
    assert type(m["class dict"]) is types.MappingProxyType and m["class dict"]["__module__"] == "__main__"
    append, upper, fromkeys, add, extend = m["bound"]
    append(9)
    assert append.__self__ == [9] and upper() == "ABC" and fromkeys([1]) == {1: None} and add(1) == 6
    m["view"].release()
    extend(b"!")
    assert m["bytes"].endswith(b"!")
    assert m["namespace"].a == 1 and m["single things"] == (..., NotImplemented, type(None), type(...))
    assert m["types"] == (
        list[int],
        int | None,
        slice(1, 2),
        types.FunctionType,
        type(iter([])),
        type({}.items()),
    )
    assert m["struct"][0].tm_year == 1970 and m["struct"][1].st_mode and type(m["object"]) is object
