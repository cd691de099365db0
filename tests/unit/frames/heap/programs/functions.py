"""Functions, closures, generators, exceptions."""

import asyncio
import functools
import traceback
import types


def outer():
    n = 0

    def inc(by=1, *, twice=False) -> int:
        "adds"
        nonlocal n
        n += by * (1 + twice)
        return n

    def get():
        return n

    inc.mark = [inc]
    return inc, get


class MyError(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.b = b


def deco(f):
    @functools.wraps(f)
    def inner(*a, **k):
        return ("deco", f(*a, **k))

    return inner


@deco
def decorated(x):
    return x


def pairs():
    got = yield 1
    while got:
        got = yield got


def outside():
    yield "first"
    yield from pairs()


async def coro():
    return 5


async def agen():
    yield 1
    yield 2


class Managed:
    @property
    def p(self):
        return 1

    @classmethod
    def c(cls):
        return cls

    @staticmethod
    def s():
        return 3

    def m(self):
        return self


def fail():
    try:
        try:
            1 / 0
        except ZeroDivisionError as e:
            raise MyError("a", 2) from e
    except MyError as e:
        e.add_note("note")
        return e


def make():
    m = {"closure": outer(), "error": fail()}
    m["closure"][0]()
    try:
        open("/nonexistent/x")
    except OSError as e:
        m["os"] = e
    try:
        b"\xff".decode()
    except UnicodeDecodeError as e:
        m["unicode"] = e
    m["group"] = ExceptionGroup("g", [ValueError(1), m["error"]])
    m["stop"] = StopIteration(4)
    m["import"] = ImportError("no", name="n", path="p")
    m["syntax"] = SyntaxError("s", ("f", 1, 2, "t"))
    g = outside()
    next(g)
    next(g)
    m["generator"] = g
    m["new"] = outside()
    done = outside()
    list(zip(range(2), done))
    done.close()
    m["closed"] = done
    m["coroutine"] = coro()
    a = agen()
    m["agen"] = a
    x = Managed()
    m["managed"] = x
    m["bound"] = x.m
    m["class method"] = x.c
    m["lambda"] = lambda a, b=[1]: (a, b)
    m["code"] = outer.__code__
    m["ring"] = []
    m["ring"].append(lambda: m["ring"])
    return m


def check(m):
    inc, get = m["closure"]
    assert get() == 1
    inc(2, twice=True)
    assert get() == 5 and inc.__doc__ == "adds" and inc.mark[0] is inc
    assert (
        inc.__annotations__ == {"return": int}
        and inc.__qualname__ == "outer.<locals>.inc"
        and inc.__module__ == "__main__"
    )
    e = m["error"]
    assert (
        e.b == 2
        and e.args == ("a",)
        and isinstance(e.__cause__, ZeroDivisionError)
        and e.__notes__ == ["note"]
    )
    t = "".join(traceback.format_exception(e))
    assert "ZeroDivisionError" in t and "in fail" in t, t
    assert type(m["os"]) is FileNotFoundError and m["os"].errno == 2 and "/nonexistent/x" in str(m["os"])
    assert (
        m["unicode"].start == 0
        and "codec" in str(m["unicode"])
        and m["group"].exceptions[1] is e
        and m["group"].message == "g"
    )
    assert m["stop"].value == 4 and m["import"].name == "n" and m["syntax"].lineno == 1
    assert (
        m["generator"].send(7) == 7
        and list(m["generator"]) == []
        and next(m["new"]) == "first"
        and list(m["closed"]) == []
    )
    assert asyncio.run(m["coroutine"]) == 5

    async def collect():
        return [x async for x in m["agen"]]

    assert asyncio.run(collect()) == [1, 2]
    x = m["managed"]
    assert x.p == 1 and m["bound"]() is x and m["class method"]() is Managed and Managed.s() == 3
    assert m["lambda"](1) == (1, [1]) and m["code"] is outer.__code__ and m["ring"][0]() is m["ring"]
    assert decorated(2) == ("deco", 2) and decorated.__wrapped__(2) == 2
