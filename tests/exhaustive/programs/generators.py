"""Generators in every state: new, suspended, running, delegating, thrown into, closed, finished."""

import sys


def source(n):
    print("start")
    for i in range(n):
        try:
            r = yield i * 10
            if r:
                print("got", r)
        except ValueError as e:
            print("thrown", e)
            yield "t"
        finally:
            print("f", i)
    return "done"


def delegate(n):
    r = yield from source(n)
    print("r", r)
    yield from [7, 8]


def use():
    for x in source(3):
        print("x", x)
    g = source(4)
    print(next(g), g.send("hi"), g.throw(ValueError("q")), next(g))
    for x in delegate(2):
        print("d", x)
    a, b, unused = source(3), source(2), source(1)
    next(a)
    print(next(a), next(b))
    print(next(b))
    g.close()
    z = (q * 2 for q in source(2))
    for w in z:
        print("w", w)
    return a, unused


u, never = use()
print(list(u))


def handling():
    try:
        raise KeyError("k")
    except KeyError as e:
        yield sys.exc_info()[1] is e
        print("ctx", repr(sys.exc_info()[1]))
        yield 2


h = handling()
print(next(h), sys.exc_info()[1])
try:
    raise ValueError("outer")
except ValueError:
    for q in h:
        print("q", q, repr(sys.exc_info()[1]))
    print(repr(sys.exc_info()[1]))


def tree(n):
    if n:
        yield from tree(n - 1)
        yield n
        yield from tree(n - 1)


for leaf in tree(3):
    print(leaf, end=" ")
print()


def average():
    total = count = 0
    mean = None
    while True:
        value = yield mean
        total += value
        count += 1
        mean = total / count


mean = average()
next(mean)
print(mean.send(10), mean.send(20), mean.send(3))


class Tree:
    def __init__(self, value, *children):
        self.value, self.children = value, children

    def __iter__(self):
        yield self.value
        for child in self.children:
            yield from child


for v in Tree(1, Tree(2), Tree(3, Tree(4))):
    print("v", v)


def pipeline(items):
    doubled = (i * 2 for i in items)
    odd = (i + 1 for i in doubled)
    for pair in zip(odd, range(2)):
        yield pair


for p in pipeline([1, 2, 3]):
    print(p)


def cleaning():
    try:
        yield 1
        yield 2
    finally:
        print("cleaned")


for c in cleaning():
    if c == 1:
        break
del c
k = cleaning()
next(k)
try:
    k.throw(KeyError, KeyError("into"))
except KeyError as e:
    print("out", e)


def closure(n):
    def inner():
        nonlocal n
        while n:
            n -= 1
            yield n

    return inner(), lambda: n


it, left = closure(3)
print(next(it), left())
for i in it:
    print(i, left())
print(never.gi_frame is not None, list(never), never.gi_frame)


def self_referring():
    me = yield
    yield me.gi_frame.f_code.co_name
    yield 5


s = self_referring()
next(s)
print(s.send(s), next(s))
import itertools

count = itertools.count(3)
chain = itertools.chain(source(1), [9])
for i in chain:
    print(i, next(count))
for i in map(lambda v: v + 1, source(1)):
    print(i)


# Exceptions thrown into generators, while they work on them.


def leaf(name):
    step = 0
    while True:
        try:
            step = (yield name, step) or step + 1
        except KeyError as error:
            for _ in range(2):
                step += 10
            print(name, "got", error, error.__context__)
        except ValueError:
            return name, step
        finally:
            step += 100


def branch(name):
    try:
        result = yield from leaf(name)
    except IndexError as error:
        print("branch", error, type(error.__context__))
        result = yield "handled"
    finally:
        print("leaving", name)
    return result


def stubborn():
    while True:
        try:
            yield "still here"
        except GeneratorExit:
            print("not yet")


def closing(name):
    try:
        yield name
    except GeneratorExit:
        for letter in name:
            print("closing", letter)
        return "closed"


def trunk():
    first = yield from branch("a")
    second = yield from branch("b")
    return first, second


tree = trunk()
print(next(tree), tree.send(5), tree.throw(KeyError("k")), tree.throw(KeyError, KeyError("l")))
print(tree.throw(ValueError("v")), tree.gi_yieldfrom.gi_running)
try:
    print(tree.throw(IndexError("i")), tree.send("x"))
except StopIteration as stop:
    print(stop.value)
for maker in (branch, stubborn, closing, trunk):
    made = maker(*("xy",) * (maker not in (stubborn, trunk)))
    print(next(made))
    try:
        print(made.close() in (None, "closed"), made.gi_frame is None)
    except RuntimeError as error:
        print(error)
try:
    branch("z").throw(OSError("not started"))
except OSError as error:
    print(error)


def running():
    print(own[0].gi_running, own[0].gi_suspended)
    try:
        next(own[0])
    except ValueError as error:
        print(error)
    yield own


own = []
own.append(running())
print(next(own[0]) is own, own[0].gi_running, own[0].gi_suspended)
del own


def chained(depth):
    if depth:
        try:
            yield from chained(depth - 1)
        except LookupError as error:
            raise ArithmeticError(depth) from error
    else:
        yield "deep"


deep = chained(3)
print(next(deep))
try:
    deep.throw(LookupError("bottom"))
except ArithmeticError as error:
    while error is not None:
        lines = []
        trace = error.__traceback__
        while trace is not None:
            lines.append(trace.tb_lineno - chained.__code__.co_firstlineno)
            trace = trace.tb_next
        print(type(error).__name__, error, lines[-1:], error.__suppress_context__)
        error = error.__cause__ or error.__context__
print([pair for pair in zip(map(str, chained(0)), leaf("zip"))])


# A generator that ends because nobody wants it any more, behind the call that has just used it.


def tidy(v):
    try:
        yield v
    finally:
        for _ in range(1):
            print("tidy", v)


def hasty():
    first = next(tidy(5), 3)
    second = tidy(6).send(None)
    for third in zip(tidy(7), tidy(8)):
        pass
    for third in tidy(9):
        break
    return first, second, third


print(hasty())
