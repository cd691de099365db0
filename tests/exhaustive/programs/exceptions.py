"""try, except, finally, with, except*, chaining, tracebacks: every state in which an exception is in flight."""

import sys
import traceback


class Manager:
    def __init__(self, name, swallow=False):
        self.name, self.swallow = name, swallow

    def __enter__(self):
        print("enter", self.name)
        return self.name

    def __exit__(self, kind, error, tb):
        print("exit", self.name, kind and kind.__name__, str(error))
        return self.swallow


class Failure(Exception):
    pass


def boom(n):
    if n:
        raise Failure(n)
    return n


def first(n):
    try:
        boom(n)
        print("fine")
    except Failure as e:
        print("caught", e, sys.exc_info()[1] is e)
        try:
            boom(2)
        except Failure as inner:
            print("inner", inner, inner.__context__ is e, sys.exc_info()[1] is inner)
            try:
                raise ValueError("v") from inner
            except ValueError as third:
                print(repr(third.__cause__), repr(third.__context__))
        print("after", sys.exc_info()[1] is e)
    else:
        print("else")
    finally:
        print("finally", sys.exc_info()[1])
        boom(0)
    return n


print(first(0))
print(first(1))


def managers():
    for i in range(3):
        with Manager(i, True) as c, Manager(i + 10) as d:
            print("body", c, d)
            if i == 1:
                raise Failure("w")
            if i == 2:
                return boom(0)
        print("next", i)


print(managers())


def groups():
    try:
        try:
            boom(1)
        finally:
            boom(0)
    except* Failure as eg:
        print("group", eg.exceptions)
    try:
        raise ExceptionGroup("g", [Failure(1), ValueError(2), Failure(3)])
    except* ValueError as a:
        print("values", a.exceptions)
        boom(0)
    except* Failure as b:
        print("failures", b.exceptions)
        boom(0)
    while 1:
        try:
            boom(0)
            break
        finally:
            print("break")
            boom(0)
    for i in range(2):
        try:
            try:
                boom(1)
            except Failure:
                print("again", i)
                boom(0)
                raise
        except Failure as e:
            print("outer", e, e.__context__)
            boom(0)


groups()


def outer():
    try:
        middle()
    except Failure as e:
        tb, names = e.__traceback__, []
        while tb:
            names.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
            tb = tb.tb_next
        print("outer", e, names)


def middle():
    for i in range(2):
        with Manager("middle"):
            boom(
                i,
            )


outer()


def printed():
    try:
        (
            1
            + boom(0)
            + boom(3)
        )
    except Failure:
        print(traceback.format_exc())
        try:
            [1][boom(0) + 5]
        except IndexError:
            return traceback.format_exc().count("During handling")


print(printed())


def cleanup(log):
    try:
        try:
            log.append(boom(0))
            return log
        finally:
            log.append("one")
            boom(1)
    except Failure:
        log.append("two")
    finally:
        log.append("three")
    return log


print(cleanup([]))


def stop():
    try:
        next(iter(()))
    except StopIteration as e:
        return repr(e), sys.exc_info()[0].__name__


print(stop(), sys.exc_info())


def deep(n):
    if n:
        try:
            return deep(n - 1)
        except Failure as e:
            e.add_note(f"level {n}")
            raise
    raise Failure("deep")


try:
    deep(3)
except Failure as e:
    print(e.__notes__, e.__traceback__.tb_next.tb_lineno)


class Oops(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.b = b


try:
    try:
        raise Oops(1, 2)
    except Oops as e:
        e.b += boom(0)
        raise RuntimeError("last") from e
except RuntimeError as e:
    print(e.__cause__.b, e.__cause__.args)
boom("not caught")
